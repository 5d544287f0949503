"""Optimizer and learning rate of a trial, by its hyper-parameters."""

from __future__ import annotations

from typing import Any

import torch

from hpo_script.experiment.shared import Config
from hpo_script.families.text.optimizers import OPTIMIZERS
from hpo_script.families.text.schedules import SCHEDULES


def make_optimizer(groups: list[dict[str, Any]], config: Config) -> torch.optim.Optimizer:
    """Return the optimizer of parameter groups; each step gets its own learning rate."""
    return OPTIMIZERS[config["optimizer"]](groups, config)


def learning_rate(step: int, total: float, config: Config) -> float:
    """Return the learning rate of a step, counted from 0: linear warm-up, then the schedule."""
    peak, warmup = config["learning_rate"], config["warmup_steps"]
    if step < warmup:
        return float(peak * (step + 1) / warmup)
    done = min((step - warmup) / max(total - warmup, 1), 1)
    return float(peak * SCHEDULES[config["schedule"]](done, config))
