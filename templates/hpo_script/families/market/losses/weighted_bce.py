"""Loss: binary cross-entropy with a larger weight for the rarer class."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from hpo_script.experiment.shared import Config


def weighted_bce_loss(
    logits: Tensor, targets: Tensor, *, train_rate: float, config: Config
) -> Tensor:
    """Return the mean log loss, positives weighted by (negatives / positives) ** balance.

    With `class_balance` 1 both classes have the same total weight; with 0 the loss is unweighted.
    """
    weight = ((1 - train_rate) / train_rate) ** config["class_balance"]
    return F.binary_cross_entropy_with_logits(
        logits, targets, pos_weight=logits.new_tensor(weight)
    )
