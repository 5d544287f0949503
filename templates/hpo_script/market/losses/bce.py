"""Loss: binary cross-entropy."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from hpo_script.experiment.shared import Config


def bce_loss(logits: Tensor, targets: Tensor, *, train_rate: float, config: Config) -> Tensor:
    """Return the mean log loss; the positive rate and the parameters are not needed."""
    del train_rate, config
    return F.binary_cross_entropy_with_logits(logits, targets)
