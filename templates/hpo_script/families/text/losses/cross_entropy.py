"""Loss: cross-entropy with label smoothing (Szegedy et al. 2016, arXiv:1512.00567)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from hpo_script.experiment.shared import Config


def cross_entropy_loss(logits: Tensor, targets: Tensor, weights: Tensor, config: Config) -> Tensor:
    """Return the mean loss; `weights` are those of the labels."""
    smoothing = config["label_smoothing"]
    losses = F.cross_entropy(logits, targets, reduction="none", label_smoothing=smoothing)
    return (weights[targets] * losses).mean()
