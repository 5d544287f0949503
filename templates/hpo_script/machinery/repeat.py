"""A trial again: from its own record, to the same values."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from hpo_script.device import bytes_per_sample, check_count
from hpo_script.experiment import Experiment, UnusableError
from hpo_script.results import plain
from hpo_script.task import Task
from hpo_script.training import train


def repeat_trial(path: Path, task: Task, experiment: Experiment, device: torch.device) -> int:
    """Train what a file trial_NNNN.json records; return 1 if an evaluation differs."""
    try:
        record = json.loads(path.read_text())
        config = {**record["user_attrs"], **record["params"]}
        key, curve = (config["seed"], record["trial_number"]), config["learning_curve"]
        names = {**{axis: axis for axis in experiment.architectures[0]}, "params": "param_count"}
        arch = {axis: int(config[name]) for axis, name in names.items()}
        micro_batch = config["micro_batch"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnusableError(f"--trial-from {path}: not the record of a trial: {error}") from None
    try:
        bytes_per_sample(task, check_count(task, arch))  # built, and passed through once
    except (ValueError, TypeError, RuntimeError) as error:
        raise UnusableError(f"--trial-from {path}: {error}") from None
    if not curve:
        raise UnusableError(f"--trial-from {path}: it has no evaluation to compare with")
    training = train(
        task,
        arch,
        config,
        key=key,
        device=device,
        micro_batch=micro_batch,
        after_batch=lambda _training, _share: None,
    )
    values = [point[experiment.metric] for point in curve]
    best = min(values, key=lambda value: experiment.sign * float(value))
    value = {"COMPLETE": best, "PRUNED": values[-1]}.get(record["state"])
    same = record["value"] == value
    try:
        for known, found in zip(curve, map(plain, training), strict=False):  # it may end early
            same &= known == found
            print(json.dumps(found), "as recorded" if known == found else f"recorded: {known}")
    except KeyError as missing:  # a loss of another script, a parameter that is not recorded
        raise UnusableError(f"--trial-from {path}: there is no {missing} here") from None
    print(f"trial {key[1]}: value {record['value']}, {'the same' if same else 'NOT the same'}")
    return 0 if same else 1
