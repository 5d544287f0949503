"""Pooling: the largest value of each feature over the tokens of a text."""

from __future__ import annotations

import torch
from torch import Tensor


def pooled(vectors: Tensor, is_text: Tensor) -> Tensor:
    """Map vectors (batch, tokens, d_model) to (batch, d_model)."""
    lowest = torch.finfo(vectors.dtype).min
    return vectors.masked_fill(~is_text.unsqueeze(2), lowest).amax(1)
