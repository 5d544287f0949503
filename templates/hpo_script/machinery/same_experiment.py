"""Same experiment: a run identifies itself in the log, and refuses a log of another experiment."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import torch

from hpo_script.constants import ARCHITECTURES, FIXED_PARAMS, HPOGEN, SAMPLER, TASK
from hpo_script.experiment.shared import UnusableError
from hpo_script.experiment.space import distributions
from hpo_script.experiment.task import Task
from hpo_script.machinery.log_file import say
from hpo_script.machinery.log_lines import LOG_VERSION
from hpo_script.machinery.logged_study import LoggedStudy
from hpo_script.machinery.mounts import mount_of, unreachable_worker
from hpo_script.machinery.source_digest import (
    COMPARED,
    REMARKED,
    SAME_SPACE,
    changes,
    read_source,
)


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def run_fields(task: Task, arguments: Namespace, device: torch.device) -> dict[str, Any]:
    """Return the fields of the run line: everything that identifies the experiment."""
    source = Path(sys.argv[0]).read_text("utf-8")
    constants, code_sha256 = read_source(source)
    del constants["architectures"]
    return {
        "log_version": LOG_VERSION,
        "hpogen": HPOGEN,
        "task": TASK,
        "horizon": None,
        "sampler": SAMPLER,
        **constants,
        "unit": task.unit,
        "n_trials": arguments.n_trials,
        "trial_seconds": arguments.trial_seconds,
        "seed": arguments.seed,
        "code_sha256": code_sha256,
        "script_sha256": hashlib.sha256(source.encode()).hexdigest(),
        "architectures_sha256": digest(ARCHITECTURES),
        "search_space": {
            name: json.loads(optuna.distributions.distribution_to_json(distribution))
            for name, distribution in distributions().items()
        },
        "fixed_params": FIXED_PARAMS,
        "overrides": arguments.overrides,
        "smoke": arguments.smoke,
        "device": str(device),
        "threads": torch.get_num_threads(),
        "worker": {"host": platform.node(), "process": str(os.getpid())},
        "python": platform.python_version(),
        "torch": torch.__version__,
        "optuna": optuna.__version__,
        "baselines": task.baselines(),
        **task.describe(),
    }


def check_log(path: Path, study: LoggedStudy, about: Mapping[str, Any]) -> None:
    """Refuse a log whose trials do not compare with new ones; report harmless differences."""
    if not study.runs:
        return
    first = next(iter(study.runs.values()))
    if first.get("log_version") != LOG_VERSION:
        raise UnusableError(
            f"{path} was written by another version of hpogen; recover-trials reads it. Give"
            " another --log"
        )
    if changed := changes(first, about, (*COMPARED, *SAME_SPACE)):
        way = "" if changes(first, about, COMPARED) else f", with --history {path} for its trials"
        raise UnusableError(
            f"{path} has trials of another experiment: {'; '.join(changed[:20])}. Undo that, or"
            f" give another --log and --out{way}"
        )
    if other := unreachable_worker(study, *mount_of(path)):
        raise UnusableError(
            f"{path}: {other} has not ended, and locks may not reach it: wait for its end, or use"
            " NFSv4 or a script that was rendered --with storage; if it was killed, continue it on"
            " its machine, or a copy of the log on a local disk"
        )
    for text in changes(first, about, REMARKED):
        say(f"warning: not as in the first run: {text}")
