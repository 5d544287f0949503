"""Optimizer: AdamW with linear warm-up and half a cosine."""

from __future__ import annotations

import math
from typing import Any

import torch

from hpo_script.experiment.shared import Config


def make_optimizer(groups: list[dict[str, Any]], config: Config) -> torch.optim.Optimizer:
    """Return the optimizer of parameter groups; each step gets its own learning rate."""
    return torch.optim.AdamW(groups, betas=(config["beta1"], config["beta2"]), weight_decay=0.0)


def learning_rate(step: int, total: float, config: Config) -> float:
    """Return the learning rate of a step, counted from 0: linear warm-up, then half a cosine."""
    peak, warmup, floor = config["learning_rate"], config["warmup_steps"], config["min_lr_ratio"]
    if step < warmup:
        return float(peak * (step + 1) / warmup)
    done = min((step - warmup) / max(total - warmup, 1), 1)
    return float(peak * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))))
