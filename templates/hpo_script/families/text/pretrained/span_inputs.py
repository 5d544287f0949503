"""Inputs: question and text as tokens of the pretrained tokenizer, and their augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hpo_script.experiment.shared import Config, UnusableError
from hpo_script.families.text.constants import (
    CONTEXT_LENGTH,
    ENCODER,
    MAX_ANSWER,
    QUESTION_COLUMN,
)
from hpo_script.families.text.pretrained.encoder import load_tokenizer
from hpo_script.families.text.pretrained.noise import noisy
from hpo_script.families.text.spans.examples import SpanExample, span_positions
from hpo_script.families.text.spans.positions import Encoded, free_pairs

FEATURES = 3  # of a token: its number, its segment, and 1 in the text


class Tokens(NamedTuple):
    """A question and a text as tokens, cut to the context."""

    rows: list[tuple[int, int, int]]  # FEATURES of each token
    first: int  # position of the text's first token
    n_kept: int  # tokens of the text
    places: list[tuple[int, int]]  # of all tokens of the text in characters, also those cut off


def tokenized(examples: Sequence[SpanExample]) -> list[Tokens]:
    """Return the tokens of questions and texts. Raises UnusableError for a slow tokenizer."""
    tokenizer = load_tokenizer()
    if not tokenizer.is_fast:
        raise UnusableError(f"{ENCODER}: spans need a fast tokenizer, from tokenizer.json")
    texts = [one.text for one in examples]
    pairs = [[one.question for one in examples], texts] if QUESTION_COLUMN else [texts]
    found = tokenizer(*pairs, return_offsets_mapping=True, padding=False, truncation=False)
    return [cut(found, row, one.text) for row, one in enumerate(examples)]


def cut(found: Any, row: int, text: str) -> Tokens:
    """Return the tokens of one example: a quarter of the context for the question at most.

    Raises UnusableError if position 0, which stands for "no answer", is a token of the text.
    """
    numbers, offsets = found["input_ids"][row], found["offset_mapping"][row]
    segments = found["token_type_ids"][row] if "token_type_ids" in found else [0] * len(numbers)
    of_text = 1 if QUESTION_COLUMN else 0
    parts = found.sequence_ids(row)
    words = [at for at, part in enumerate(parts) if part == of_text]
    asked = [at for at, part in enumerate(parts) if part == 0 != of_text]
    left_out = {*asked[CONTEXT_LENGTH // 4 :]}
    n_over = max(len(numbers) - len(left_out) - CONTEXT_LENGTH, 0)
    n_kept = max(len(words) - n_over, 0)
    left_out |= {*words[n_kept:]}
    kept = [at for at in range(len(numbers)) if at not in left_out]
    first = kept.index(words[0]) if n_kept else 1
    if first == 0:
        raise UnusableError(f"{ENCODER}: the tokenizer puts no token before a text")
    rows = [(numbers[at], segments[at], int(parts[at] == of_text)) for at in kept]
    return Tokens(rows, first, n_kept, [without_spaces(text, *offsets[at]) for at in words])


def without_spaces(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the place of a token without the white space at its ends."""
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), max(
        start, end - len(piece) + len(piece.rstrip())
    )


def encode_all(examples: Sequence[SpanExample], device: torch.device) -> Encoded:
    """Return questions and texts as tokens; what is beyond the context is cut."""
    shape = (len(examples), CONTEXT_LENGTH)
    inputs = torch.zeros(*shape, FEATURES, dtype=torch.int32)
    inputs[:, :, 0] = load_tokenizer().pad_token_id
    places = torch.zeros(*shape, 2, dtype=torch.int32)
    targets = torch.zeros(len(examples), 2, dtype=torch.long)
    for row, (one, tokens) in enumerate(zip(examples, tokenized(examples), strict=True)):
        inputs[row, : len(tokens.rows)] = torch.tensor(tokens.rows)
        if kept := tokens.places[: tokens.n_kept]:
            places[row, tokens.first : tokens.first + len(kept)] = torch.tensor(kept)
        if one.answer:
            span = span_positions(one, tokens.places, tokens.n_kept, MAX_ANSWER)
            targets[row] = torch.tensor(span) + tokens.first if span else -1
    return Encoded(inputs.to(device), places, targets.to(device))


def augmented(
    inputs: Tensor, targets: Tensor, config: Config, generator: torch.Generator
) -> Tensor:
    """Return tokens, those of the text exchanged, replaced or hidden.

    An exchange leaves the answer and its neighbours where they are.
    """
    is_text = inputs[:, :, 2] == 1
    pairs = free_pairs(is_text, targets)
    tokens = noisy(inputs[:, :, 0], is_text, pairs, config, generator)
    return torch.cat([tokens.unsqueeze(2), inputs[:, :, 1:]], 2)
