"""Pooling: the mean over the tokens of a text."""

from __future__ import annotations

from torch import Tensor


def pooled(vectors: Tensor, is_text: Tensor) -> Tensor:
    """Map vectors (batch, tokens, d_model) to (batch, d_model)."""
    held = is_text.unsqueeze(2)
    return (vectors * held).sum(1) / held.sum(1).clamp(min=1)
