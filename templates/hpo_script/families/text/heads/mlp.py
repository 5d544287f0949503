"""Head: a hidden layer as wide as the encoder."""

from __future__ import annotations

from torch import nn


def make_head(d_model: int, n_labels: int, dropout: float) -> nn.Module:
    """Return two linear layers, each after dropout."""
    hidden = (nn.Dropout(dropout), nn.Linear(d_model, d_model), nn.GELU())
    return nn.Sequential(*hidden, nn.Dropout(dropout), nn.Linear(d_model, n_labels))
