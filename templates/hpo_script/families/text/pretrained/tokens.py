"""Tokens: the pieces of words of the pretrained tokenizer, and their augmentation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hpo_script.experiment.shared import Config
from hpo_script.families.text.augment import drawn, swapped
from hpo_script.families.text.constants import CONTEXT_LENGTH
from hpo_script.families.text.pretrained.encoder import load_tokenizer


def augmented(tokens: Tensor, config: Config, generator: torch.Generator) -> Tensor:
    """Return tokens of texts, some of them exchanged, replaced or hidden."""
    tokenizer = load_tokenizer()
    special = {*tokenizer.all_special_ids}
    ordinary = torch.tensor([token for token in range(len(tokenizer)) if token not in special])
    is_text = ~torch.isin(tokens, torch.tensor([*special]).to(tokens))
    pairs = is_text & is_text.roll(-1, 1)
    tokens = swapped(tokens, drawn(config["token_swap"], pairs, generator))
    other = ordinary[torch.randint(len(ordinary), tokens.shape, generator=generator)].to(tokens)
    tokens = torch.where(drawn(config["char_noise"], is_text, generator), other, tokens)
    hidden = drawn(config["token_dropout"], is_text, generator)
    return tokens.masked_fill(hidden, tokenizer.mask_token_id)


def text_tokens(texts: Sequence[str]) -> Tensor:
    """Return the first tokens of texts, (texts, CONTEXT_LENGTH), filled up with padding."""
    options = {"padding": "max_length", "truncation": True, "max_length": CONTEXT_LENGTH}
    found = load_tokenizer()(list(texts), **options)["input_ids"]
    return torch.tensor(found, dtype=torch.int32)
