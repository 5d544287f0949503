"""Loss: soft AUC, a differentiable count of wrongly ordered pairs."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from hpo_script.experiment.shared import Config


def soft_auc_loss(logits: Tensor, targets: Tensor, *, config: Config, **_unused: Any) -> Tensor:
    """Return the mean over (positive, negative) pairs of softplus(-gamma (s+ - s-)) / gamma.

    A batch of one class has no pairs and gives a zero gradient.
    """
    positive = targets > 0.5
    gaps = logits[positive].unsqueeze(1) - logits[~positive].unsqueeze(0)
    if gaps.numel() == 0:
        return logits.sum() * 0.0
    return F.softplus(-config["auc_gamma"] * gaps).mean() / config["auc_gamma"]
