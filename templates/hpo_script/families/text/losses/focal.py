"""Loss: focal loss for several labels (Lin et al. 2017, arXiv:1708.02002)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hpo_script.experiment.shared import Config


def focal_loss(logits: Tensor, targets: Tensor, weights: Tensor, config: Config) -> Tensor:
    """Return the mean of (1 - p) ** gamma times the log loss, p of the true label."""
    losses = F.cross_entropy(logits, targets, reduction="none")
    focus = (1 - torch.exp(-losses)) ** config["focal_gamma"]
    return (weights[targets] * focus * losses).mean()
