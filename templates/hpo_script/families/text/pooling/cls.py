"""Pooling: the vector of the first token."""

from __future__ import annotations

from torch import Tensor


def pooled(vectors: Tensor, is_text: Tensor) -> Tensor:
    """Map vectors (batch, tokens, d_model) to (batch, d_model)."""
    del is_text
    return vectors[:, 0]
