"""Tokens: the pieces of words of the pretrained tokenizer, and their augmentation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hpo_script.experiment.shared import Config
from hpo_script.families.text.constants import CONTEXT_LENGTH
from hpo_script.families.text.pretrained.encoder import load_tokenizer
from hpo_script.families.text.pretrained.noise import noisy


def augmented(tokens: Tensor, config: Config, generator: torch.Generator) -> Tensor:
    """Return tokens of texts, some of them exchanged, replaced or hidden."""
    special = torch.tensor(load_tokenizer().all_special_ids).to(tokens)
    is_text = ~torch.isin(tokens, special)
    return noisy(tokens, is_text, is_text & is_text.roll(-1, 1), config, generator)


def text_tokens(texts: Sequence[str]) -> Tensor:
    """Return the first tokens of texts, (texts, CONTEXT_LENGTH), filled up with padding."""
    options = {"padding": "max_length", "truncation": True, "max_length": CONTEXT_LENGTH}
    found = load_tokenizer()(list(texts), **options)["input_ids"]
    return torch.tensor(found, dtype=torch.int32)
