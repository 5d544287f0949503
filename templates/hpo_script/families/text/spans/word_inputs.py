"""Inputs: question and text as words, and their augmentation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hpo_script.experiment.shared import Config
from hpo_script.families.text.augment import drawn, swapped
from hpo_script.families.text.constants import CONTEXT_LENGTH, HASH_BUCKETS, MAX_ANSWER
from hpo_script.families.text.spans.examples import SpanExample, span_positions
from hpo_script.families.text.spans.model import text_words
from hpo_script.families.text.spans.positions import Encoded, free_pairs
from hpo_script.families.text.spans.word_buckets import FEATURES, HIDDEN, encode
from hpo_script.families.text.spans.words import word_places


def encode_all(examples: Sequence[SpanExample], device: torch.device) -> Encoded:
    """Return questions and texts as words; what is beyond the context is cut."""
    shape = (len(examples), CONTEXT_LENGTH)
    inputs = torch.zeros(*shape, FEATURES, dtype=torch.int32)  # PADDING
    places = torch.zeros(*shape, 2, dtype=torch.int32)
    targets = torch.zeros(len(examples), 2, dtype=torch.long)
    for row, one in enumerate(examples):
        words, first = encode(one.question, one.text, CONTEXT_LENGTH)
        inputs[row, : len(words)] = torch.tensor(words)
        found = word_places(one.text)
        if kept := found[: CONTEXT_LENGTH - first]:
            places[row, first : first + len(kept)] = torch.tensor(kept)
        if one.answer:
            span = span_positions(one, found, len(kept), MAX_ANSWER)
            targets[row] = torch.tensor(span) + first if span else -1
    return Encoded(inputs.to(device), places, targets.to(device))


def augmented(
    inputs: Tensor, targets: Tensor, config: Config, generator: torch.Generator
) -> Tensor:
    """Return words of texts, some of them exchanged, misspelt or hidden.

    An exchange does not move words of the answer. A misspelt word keeps its
    beginning, ending and form.
    """
    is_text = text_words(inputs)
    words = swapped(inputs, drawn(config["token_swap"], free_pairs(is_text, targets), generator))
    other = torch.randint(HIDDEN + 1, HASH_BUCKETS, is_text.shape, generator=generator).to(words)
    misspelt = drawn(config["char_noise"], is_text, generator)
    words[:, :, 0] = torch.where(misspelt, other, words[:, :, 0])
    hidden = drawn(config["token_dropout"], is_text, generator)
    return words.masked_fill(hidden.unsqueeze(2), HIDDEN)
