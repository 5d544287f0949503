"""Optimizer: AdamW (Loshchilov and Hutter 2017, arXiv:1711.05101)."""

from __future__ import annotations

from typing import Any

import torch

from hpo_script.experiment.shared import Config


def adamw_optimizer(groups: list[dict[str, Any]], config: Config) -> torch.optim.Optimizer:
    """Return the optimizer of parameter groups."""
    return torch.optim.AdamW(groups, betas=(config["beta1"], config["beta2"]), weight_decay=0.0)
