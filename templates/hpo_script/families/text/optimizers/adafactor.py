"""Optimizer: Adafactor (Shazeer and Stern 2018, arXiv:1804.04235).

A step is relative to the size of the weights, so the best learning rates are larger than AdamW's.
"""

from __future__ import annotations

from typing import Any

import torch

from hpo_script.experiment.shared import Config


def adafactor_optimizer(groups: list[dict[str, Any]], config: Config) -> torch.optim.Optimizer:
    """Return the optimizer of parameter groups."""
    decay = config["beta2_decay"]
    return torch.optim.Adafactor(groups, beta2_decay=decay, weight_decay=0.0)
