"""Preflight: everything that would fail later, before the first script starts."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hpogen.configuration.yaml_file import shown
from hpogen.errors import UsageError
from hpogen.files import shown_path
from hpogen.rendering.overwrite_check import edited
from hpogen.run.job import Job
from hpogen.run.runner import Options
from hpogen.run.script_order import LOGS
from recover_trials.model import Study

GB = 10**9
BYTES_IN_MEMORY = 16  # of a parameter: weights, gradients and Adam's two moments in fp32
BYTES_ON_DISK = 24  # of a parameter: a checkpoint without gradients, and the next one beside it
LEAST_DISK = 10**7
PACKAGES = ("torch", "optuna", "numpy", "pandas")
FIND = "import importlib.util as u; print(*(n for n in {!r} if u.find_spec(n) is None))"
# torch takes seconds to load, so it is asked only about devices that may be missing.
DEVICES = """\
import json, torch
count = torch.cuda.device_count()
found = {f"cuda:{i}": torch.cuda.get_device_properties(i).total_memory for i in range(count)}
if torch.backends.mps.is_available():
    found["mps"] = torch.mps.recommended_max_memory()
print(json.dumps(found))
"""


def problems_of(jobs: Sequence[Job], options: Options) -> Iterator[str]:
    """Yield what keeps scripts from running."""
    unfinished = [job for job in jobs if not job.complete]
    yield from unreadable(unfinished)
    yield from missing_data(unfinished, options)
    yield from unwritable((LOGS, Path("outputs")))
    yield from disk(unfinished, options)
    if unfinished:
        yield from python(unfinished, options)
    for job in unfinished:
        yield from other_experiment(job)


def warnings_of(jobs: Sequence[Job]) -> Iterator[str]:
    """Yield what may not be meant: scripts that hpogen did not write as they are."""
    for job in jobs:
        if not job.complete and (reason := edited(job.script.path)):
            yield f"{shown_path(job.script.path)} {reason}"


def unreadable(jobs: Sequence[Job]) -> Iterator[str]:
    for log in (job.script.log for job in jobs):
        if log.exists() and not (log.is_file() and os.access(log, os.R_OK | os.W_OK)):
            yield f"the log {log} cannot be read and written"


def missing_data(jobs: Sequence[Job], options: Options) -> Iterator[str]:
    readers: dict[str, list[str]] = {}
    for job in jobs:
        readers.setdefault(options.data or job.script.data, []).append(job.script.name)
    for path, names in readers.items():
        if not Path(path).exists():
            yield f"no such data: {shown(path, 300)} ({', '.join(names)}); give it with --data"


def unwritable(folders: Sequence[Path]) -> Iterator[str]:
    for folder in folders:
        if reason := write_error(folder):
            yield f"the folder {folder} cannot be written to: {reason}"


def write_error(folder: Path) -> str | None:
    """Return why no file can be created in a folder, None if one can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror


def disk(jobs: Sequence[Job], options: Options) -> Iterator[str]:
    """Compare the free disk with the checkpoints of the largest models, one per slot."""
    largest = max((job.script.largest for job in jobs), default=0)
    need = BYTES_ON_DISK * largest * len(options.slots) + LEAST_DISK
    free = shutil.disk_usage(".").free
    if jobs and free < need:
        yield f"{free / GB:.2f} GB of disk are free, checkpoints may need {need / GB:.2f} GB"


def python(jobs: Sequence[Job], options: Options) -> Iterator[str]:
    """Ask the interpreter of the scripts for their packages, then for devices and memory."""
    try:
        missing = asked(options.python, FIND.format(PACKAGES)).split()
        if missing:
            install = f"{options.python} -m pip install {' '.join(missing)}"
            yield f"{options.python} lacks {', '.join(missing)}: {install}, or give --python"
            return
        yield from devices(jobs, options)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        yield f"--python {shown(options.python, 200)}: {shown(str(error), 300)}"


def asked(interpreter: str, code: str) -> str:
    """Return what an interpreter prints. Raises OSError or SubprocessError."""
    return subprocess.run(
        [interpreter, "-c", code], stdout=subprocess.PIPE, check=True, text=True
    ).stdout


def devices(jobs: Sequence[Job], options: Options) -> Iterator[str]:
    """Compare slots with the devices of this machine, and their memory with the models."""
    found: dict[str, Any] = {"cpu": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")}
    if any(slot not in ("auto", "cpu") for slot in options.slots):
        found |= json.loads(asked(options.python, DEVICES))
    found |= {"cuda": found["cuda:0"]} if "cuda:0" in found else {}
    for slot in dict.fromkeys(options.slots):
        if slot == "auto":
            continue
        if slot not in found:
            yield f"--slots {slot}: not on this machine; there are {', '.join(found)}"
            continue
        for job in jobs:
            need = BYTES_IN_MEMORY * job.script.smallest
            if need > found[slot]:
                has = f"{slot} has {found[slot] / GB:.1f} GB of memory"
                yield f"{job.script.name}: its smallest model needs {need / GB:.1f} GB, {has}"


def other_experiment(job: Job) -> Iterator[str]:
    """Compare the experiment half of a script with the log, whose trials it would not continue."""
    study: Study | None = next(iter(job.log.studies()), None)
    first = next(iter(study.runs.values()), {}) if study else {}
    halves = job.script.source.split("\n# === ")
    if len(halves) != 4 or "code_sha256" not in first:
        return
    if hashlib.sha256(halves[2].encode()).hexdigest() != first["code_sha256"]:
        yield (
            f"{shown_path(job.script.path)}: its experiment was edited since {job.script.log}"
            " began; undo that, or move the log away"
        )


def not_ready(problems: Sequence[str]) -> UsageError:
    """Return the error that lists all problems."""
    if len(problems) == 1:
        return UsageError(problems[0])
    return UsageError("\n".join(["nothing was started:", *(f"  {p}" for p in problems)]))
