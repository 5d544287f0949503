"""Loss: binary cross-entropy."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor


def bce_loss(logits: Tensor, targets: Tensor, **_unused: Any) -> Tensor:
    """Return the mean log loss."""
    return F.binary_cross_entropy_with_logits(logits, targets)
