"""Noise: tokens of training texts, exchanged, replaced and hidden."""

from __future__ import annotations

import torch
from torch import Tensor

from hpo_script.experiment.shared import Config
from hpo_script.families.text.augment import drawn, swapped
from hpo_script.families.text.pretrained.encoder import load_tokenizer


def noisy(
    tokens: Tensor, is_text: Tensor, pairs: Tensor, config: Config, generator: torch.Generator
) -> Tensor:
    """Return tokens (texts, tokens), changed where `is_text`, exchanged where `pairs` is true."""
    tokenizer = load_tokenizer()
    special = {*tokenizer.all_special_ids}
    ordinary = torch.tensor([token for token in range(len(tokenizer)) if token not in special])
    tokens = swapped(tokens, drawn(config["token_swap"], pairs, generator))
    other = ordinary[torch.randint(len(ordinary), tokens.shape, generator=generator)].to(tokens)
    tokens = torch.where(drawn(config["char_noise"], is_text, generator), other, tokens)
    hidden = drawn(config["token_dropout"], is_text, generator)
    return tokens.masked_fill(hidden, tokenizer.mask_token_id)
