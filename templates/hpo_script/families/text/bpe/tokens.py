"""Tokens: the byte pairs of a text, and their augmentation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hpo_script.experiment.shared import Config
from hpo_script.families.text.augment import drawn, swapped
from hpo_script.families.text.bpe.tokenizer import BYTES, Tokenizer
from hpo_script.families.text.bpe.vocabulary import HIDDEN, PADDING
from hpo_script.families.text.constants import CONTEXT_LENGTH


def augmented(tokens: Tensor, config: Config, generator: torch.Generator) -> Tensor:
    """Return tokens of texts, some of them exchanged, replaced or hidden."""
    is_text = tokens < PADDING
    pairs = is_text & is_text.roll(-1, 1)
    tokens = swapped(tokens, drawn(config["token_swap"], pairs, generator))
    other = torch.randint(PADDING, tokens.shape, generator=generator).to(tokens)
    tokens = torch.where(drawn(config["char_noise"], is_text, generator), other, tokens)
    return tokens.masked_fill(drawn(config["token_dropout"], is_text, generator), HIDDEN)


def text_tokens(texts: Sequence[str], tokenizer: Tokenizer = BYTES) -> Tensor:
    """Return the first tokens of texts, (texts, CONTEXT_LENGTH), filled up with PADDING."""
    encoded = [tokenizer.encode(text)[:CONTEXT_LENGTH] for text in texts]
    padded = [tokens + [PADDING] * (CONTEXT_LENGTH - len(tokens)) for tokens in encoded]
    return torch.tensor(padded, dtype=torch.int32)
