"""Slurm: the run ends, with a checkpoint, before Slurm ends its job."""

from __future__ import annotations

import functools
import math
import os
import subprocess
import time
from datetime import datetime

from hpo_script.machinery.log_file import say
from hpo_script.machinery.run_stops import Stops
from hpo_script.sections.constants import SLURM_MARGIN


@functools.cache
def end_of_job() -> float:
    """Return when Slurm ends this job, in seconds since 1970; infinity outside of a job."""
    end, job = os.environ.get("SLURM_JOB_END_TIME", ""), os.environ.get("SLURM_JOB_ID")
    if end.isdecimal():
        return int(end)
    if job is None:
        return math.inf
    command = ["squeue", "--noheader", "--format=%e", f"--jobs={job}"]  # Slurm before 23.02
    zone = {**os.environ, "SLURM_TIME_FORMAT": "standard"}
    try:
        found = subprocess.run(command, capture_output=True, check=True, env=zone, timeout=20)
        return datetime.fromisoformat(found.stdout.decode().strip()).timestamp()
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        say(f"the end of the Slurm job {job} is unknown: {error}")
        return math.inf


def slurm_guard(stops: Stops) -> str | None:
    """End the run while its checkpoint can still be written."""
    left = end_of_job() - time.time() - SLURM_MARGIN - stops.reserve
    return "end of the job" if left <= 0 else None
