"""Word regression: which words belong to the answer?

A logistic regression on features of single words. The best span is the run of at most MAX_ANSWER
words with the largest sum of log-odds; the sum is its lead over "no answer".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate as running_sums

import torch
from torch import Tensor

from hpo_script.families.text.constants import MAX_ANSWER
from hpo_script.families.text.softmax import fit_softmax
from hpo_script.families.text.spans.examples import SpanExample
from hpo_script.families.text.spans.metrics import Spans
from hpo_script.families.text.spans.words import form_of, word_places

MAX_QUESTIONS = 50  # with more of them in training, the features leave out the question


def word_features(words: Sequence[str], place: int, question: str) -> Iterator[str]:
    """Yield the features of a word: itself, its neighbours, its form, with the question."""
    for shift in (-2, -1, 0, 1, 2):
        inside = 0 <= place + shift < len(words)
        yield f"{question} {shift} {words[place + shift].lower() if inside else ''}"
    word = words[place]
    before = words[place - 1].lower() if place else ""
    yield from (f"{question} form {form_of(word)}", f"{question} end {word[-3:].lower()}")
    yield from (f"{question} pair {before} {word.lower()}", f"{question} at {min(place, 5)}")


def sparse_features(rows: Sequence[Sequence[str]], column: dict[str, int]) -> Tensor:
    """Return the rows as a sparse matrix of ones, without features that have no column."""
    known = [
        (row, column[name]) for row, names in enumerate(rows) for name in names if name in column
    ]
    shape = (len(rows), len(column))
    ones = torch.ones(len(known))
    indices = torch.tensor(known).T
    return torch.sparse_coo_tensor(indices, ones, shape, check_invariants=False).coalesce()


def best_run(odds: Sequence[float]) -> tuple[float, int, int]:
    """Return the largest sum of 1 to MAX_ANSWER numbers in a row, where they begin and end.

    The sum is -inf without numbers.
    """
    sums = [0.0, *running_sums(odds)]
    runs = [
        (sums[last] - sums[first], first, last)
        for first in range(len(odds))
        for last in range(first + 1, min(first + MAX_ANSWER, len(odds)) + 1)
    ]
    return max(runs, default=(-math.inf, 0, 0))


def words_with_features(
    examples: Sequence[SpanExample], asks: Mapping[str, str]
) -> list[tuple[list[tuple[int, int]], list[list[str]]]]:
    """Return the words of each text: (start, end) in characters, and their features."""
    found = []
    for one in examples:
        places = word_places(one.text)
        words = [one.text[start:end] for start, end in places]
        question = asks.get(one.question, "")
        features = [[*word_features(words, at, question)] for at in range(len(words))]
        found.append((places, features))
    return found


def regression_spans(train: Sequence[SpanExample], asked: Sequence[SpanExample]) -> Spans:
    """Return the best span of each example, of a regression that is fitted to the training."""
    questions = {one.question for one in train}
    asks = {name: name if len(questions) <= MAX_QUESTIONS else "" for name in questions}
    rows: list[list[str]] = []
    inside: list[bool] = []
    for one, (spans, features) in zip(train, words_with_features(train, asks), strict=True):
        rows += features
        inside += [one.start < end and start < one.end for start, end in spans]
    counts = Counter(name for names in rows for name in names)
    column = {name: at for at, name in enumerate(n for n, times in counts.items() if times > 1)}
    targets = torch.tensor(inside).long()
    weights = fit_softmax(sparse_features(rows, column), targets, 2)
    odds = dict(zip(column, (weights[:, 1] - weights[:, 0]).tolist(), strict=True))
    found, leads = [], []
    for one, (spans, features) in zip(asked, words_with_features(asked, asks), strict=True):
        sums = [sum(odds.get(name, 0.0) for name in names) for names in features]
        lead, first, last = best_run(sums)
        found.append(one.text[spans[first][0] : spans[last - 1][1]] if spans else "")
        leads.append(lead)
    return found, leads
