"""Augmentation of training texts: hidden, exchanged and misspelt tokens.

Evaluations see the texts as they are. The draws depend on the seed of the epoch alone.
"""

from __future__ import annotations

import torch
from torch import Tensor


def drawn(rate: float, allowed: Tensor, generator: torch.Generator) -> Tensor:
    """Return a random choice of the allowed tokens, (texts, tokens)."""
    chances = torch.rand(allowed.shape, generator=generator)
    return allowed & (chances.to(allowed.device) < rate)


def swapped(tokens: Tensor, chosen: Tensor) -> Tensor:
    """Return the tokens, each chosen one exchanged with the next one, (texts, tokens, ...).

    Of two chosen neighbours, the first is exchanged.
    """
    first = chosen.clone()
    first[:, 1:] &= ~chosen[:, :-1]
    first[:, -1] = False
    moves = first.long()
    moves[:, 1:] -= first[:, :-1].long()
    rows = torch.arange(len(tokens), device=tokens.device).unsqueeze(1)
    return tokens[rows, torch.arange(tokens.shape[1], device=tokens.device) + moves]
