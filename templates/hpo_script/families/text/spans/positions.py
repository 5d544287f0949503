"""Positions: where in question and text a span may be, and which words may be exchanged."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


def open_words(is_text: Tensor) -> Tensor:
    """Return which positions a span may have: those of the text, and position 0."""
    is_open = is_text.clone()
    is_open[:, 0] = True
    return is_open


def span_logits(head: nn.Module, vectors: Tensor, is_text: Tensor) -> Tensor:
    """Map vectors (batch, words, d_model) to the logits of start and end, (batch, 2, words).

    Position 0 stands for "no answer". Those of the question, marks and padding are -inf.
    """
    logits = head(vectors).transpose(1, 2)
    return logits.float().masked_fill(~open_words(is_text).unsqueeze(1), -torch.inf)


def free_pairs(is_text: Tensor, targets: Tensor) -> Tensor:
    """Return which words may be exchanged with the next one: both apart from the answer."""
    place = torch.arange(is_text.shape[1], device=is_text.device)
    apart = (place + 1 < targets[:, :1]) | (place > targets[:, 1:])
    return is_text & is_text.roll(-1, 1) & apart


class Encoded(NamedTuple):
    """Questions and texts as the inputs of a model."""

    inputs: Tensor  # (texts, CONTEXT_LENGTH, FEATURES), 32-bit integers
    places: Tensor  # start and end of each word of a text in characters, else 0, 0
    targets: Tensor  # positions of the answers, (texts, 2): 0, 0 without one, -1, -1 out of reach
