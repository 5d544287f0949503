"""Logits of both heads in one tensor, and the mean over a text."""

from __future__ import annotations

import torch
from torch import Tensor

from hpo_script.families.text.constants import CONTEXT_LENGTH


def text_mean(vectors: Tensor, is_text: Tensor) -> Tensor:
    """Return the mean vector of the words of each text, from (batch, words, d_model)."""
    weights = is_text.unsqueeze(2)
    return (vectors * weights).sum(1) / weights.sum(1).clamp(min=1)


def joined_logits(spans: Tensor, labels: Tensor) -> Tensor:
    """Return logits (batch, 2 * CONTEXT_LENGTH + labels) of start, end and labels."""
    return torch.cat([spans.flatten(1), labels.float()], 1)


def split_logits(outputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits of start and end, (batch, 2, CONTEXT_LENGTH), and of the labels."""
    spans, labels = outputs.tensor_split([2 * CONTEXT_LENGTH], 1)
    return spans.unflatten(1, (2, CONTEXT_LENGTH)), labels
