"""Tokens: the bytes of a text, and their augmentation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hpo_script.experiment.shared import Config
from hpo_script.families.text.augment import drawn, swapped
from hpo_script.families.text.byte_vocabulary import HIDDEN, PADDING
from hpo_script.families.text.constants import CONTEXT_LENGTH


def augmented(tokens: Tensor, config: Config, generator: torch.Generator) -> Tensor:
    """Return bytes of texts, some of them exchanged, replaced or hidden."""
    is_text = tokens < PADDING
    pairs = is_text & is_text.roll(-1, 1)
    tokens = swapped(tokens, drawn(config["token_swap"], pairs, generator))
    other = torch.randint(32, 127, tokens.shape, generator=generator).to(tokens)
    tokens = torch.where(drawn(config["char_noise"], is_text, generator), other, tokens)
    return tokens.masked_fill(drawn(config["token_dropout"], is_text, generator), HIDDEN)


def text_tokens(texts: Sequence[str]) -> Tensor:
    """Return the first bytes of texts, (texts, CONTEXT_LENGTH), filled up with PADDING."""
    encoded = [list(text.encode()[:CONTEXT_LENGTH]) for text in texts]
    padded = [tokens + [PADDING] * (CONTEXT_LENGTH - len(tokens)) for tokens in encoded]
    return torch.tensor(padded, dtype=torch.int16)
