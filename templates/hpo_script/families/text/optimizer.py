"""Optimizer of a trial, by its hyper-parameters."""

from __future__ import annotations

from typing import Any

import torch

from hpo_script.experiment.shared import Config
from hpo_script.families.text.optimizers import OPTIMIZERS


def make_optimizer(groups: list[dict[str, Any]], config: Config) -> torch.optim.Optimizer:
    """Return the optimizer of parameter groups; each step gets its own learning rate."""
    return OPTIMIZERS[config["optimizer"]](groups, config)
