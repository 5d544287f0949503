"""Fusion: a gate between both vectors of a word (Arevalo et al. 2017, arXiv:1702.01992)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def gate_fusion(spans: Tensor, labels: Tensor, mix: nn.Linear, is_open: Tensor) -> Tensor:
    """Return a vector per word, from those of two encoders, (batch, words, d_model)."""
    del is_open
    gate = torch.sigmoid(mix(torch.cat([spans, labels], 2)))
    return gate * spans + (1 - gate) * labels
