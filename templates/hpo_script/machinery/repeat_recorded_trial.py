"""Repeat: a recorded trial is trained again (--repeat), and every evaluation compared."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from hpo_script.constants import ARCHITECTURES
from hpo_script.experiment.shared import UnusableError
from hpo_script.experiment.task import Task
from hpo_script.experiment.training import Training, train
from hpo_script.machinery.log_file import read_log


def repeat_trial(path: Path, number: int, task: Task, device: torch.device) -> int:
    """Train trial `number` of a log again; return 1 if an evaluation differs."""
    study = read_log(path).study
    trial = study.trials.get(number)
    if not trial or not trial.curve:
        raise UnusableError(f"--repeat {number}: {path} has no evaluation of this trial")
    run = study.runs.get(trial.claims[-1], {}) if trial.claims else {}
    if run.get("trial_seconds"):
        raise UnusableError(f"--repeat {number}: its schedule depended on the speed of a machine")
    torch.set_num_threads(run.get("threads", 1))  # another number changes the last digits
    config = trial.attributes
    arch, key = ARCHITECTURES[config["arch_idx"]], (config["seed"], number)
    training = Training(task, arch, config, key, device)
    again = train(training, micro_batch=config["micro_batch"], after_batch=lambda _share: None)
    same = True
    for known, found in zip(trial.curve, again, strict=False):  # it may have ended early
        same &= known == found
        print(json.dumps(found), "as recorded" if known == found else f"recorded: {known}")
    print(f"trial {number}: {'the same' if same else 'NOT the same'}")
    return 0 if same else 1
