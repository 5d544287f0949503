"""A trial again: from its own record, to the same values."""

from __future__ import annotations

import json
from pathlib import Path

import torch

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
        arch, micro_batch = experiment.architectures[config["arch_idx"]], config["micro_batch"]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise UnusableError(f"--trial-from {path}: not the record of a trial: {error}") from None
    if any(config.get(name, arch[name]) != arch[name] for name in arch):
        raise UnusableError(f"--trial-from {path}: row {config['arch_idx']} is {dict(arch)} here")
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
    for known, found in zip(curve, map(plain, training), strict=False):  # it may have ended early
        same &= known == found
        print(json.dumps(found), "as recorded" if known == found else f"recorded: {known}")
    print(f"trial {key[1]}: value {record['value']}, {'the same' if same else 'NOT the same'}")
    return 0 if same else 1
