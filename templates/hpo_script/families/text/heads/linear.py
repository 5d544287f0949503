"""Head: one layer."""

from __future__ import annotations

from torch import nn


def make_head(d_model: int, n_labels: int, dropout: float) -> nn.Module:
    """Return dropout and a linear layer."""
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(d_model, n_labels))
