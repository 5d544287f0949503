"""Loss: focal loss (Lin et al. 2017, arXiv:1708.02002)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from hpo_script.experiment.shared import Config


def focal_loss(logits: Tensor, targets: Tensor, *, config: Config, **_unused: Any) -> Tensor:
    """Return the mean of alpha_t (1 - p_t) ** gamma times the log loss."""
    losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    p_true = torch.exp(-losses)
    alpha = torch.where(targets > 0.5, config["focal_alpha"], 1 - config["focal_alpha"])
    return (alpha * (1 - p_true) ** config["focal_gamma"] * losses).mean()
