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


TEXT = 1 if QUESTION_COLUMN else 0  # the sequence of the text among those of the tokenizer


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
    return [tokens_of_row(found, row, one.text) for row, one in enumerate(examples)]


def tokens_of_row(found: Any, row: int, text: str) -> Tokens:
    """Return the tokens of one example.

    Raises UnusableError if position 0, which stands for "no answer", is a token of the text.
    """
    numbers, offsets = found["input_ids"][row], found["offset_mapping"][row]
    segments = found["token_type_ids"][row] if "token_type_ids" in found else [0] * len(numbers)
    parts = found.sequence_ids(row)
    kept = kept_tokens(parts)
    is_text = [int(parts[at] == TEXT) for at in kept]
    if is_text[0]:
        raise UnusableError(f"{ENCODER}: the tokenizer puts no token before a text")
    rows = [(numbers[at], segments[at], inside) for at, inside in zip(kept, is_text, strict=True)]
    words = [offset for offset, part in zip(offsets, parts, strict=True) if part == TEXT]
    first = is_text.index(1) if any(is_text) else len(kept)
    return Tokens(rows, first, sum(is_text), [without_spaces(text, *place) for place in words])


def kept_tokens(parts: Sequence[int | None]) -> list[int]:
    """Return which tokens are within the context: a quarter of it for the question at most.

    `parts`: the sequence of each token, None for special tokens, which are all kept.
    """
    words = [at for at, part in enumerate(parts) if part == TEXT]
    question = [at for at, part in enumerate(parts) if part not in (TEXT, None)]
    left_out = {*question[CONTEXT_LENGTH // 4 :]}
    n_free = CONTEXT_LENGTH - (len(parts) - len(left_out) - len(words))
    left_out |= {*words[n_free:]}
    return [at for at in range(len(parts)) if at not in left_out]


def without_spaces(text: str, start: int, end: int) -> tuple[int, int]:
    """Return the place of a token without the white space at its ends."""
    piece = text[start:end]
    first = start + len(piece) - len(piece.lstrip())
    return first, first + len(piece.strip())


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

    An exchange does not move tokens of the answer.
    """
    is_text = inputs[:, :, 2] == 1
    pairs = free_pairs(is_text, targets)
    tokens = noisy(inputs[:, :, 0], is_text, pairs, config, generator)
    return torch.cat([tokens.unsqueeze(2), inputs[:, :, 1:]], 2)
