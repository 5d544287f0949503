"""Metrics of answers: exact match and token F1 (Rajpurkar et al. 2016, arXiv:1606.05250)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from statistics import fmean

import torch
from torch import Tensor

from hpo_script.families.text.constants import MAX_ANSWER


def tokens_of(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return re.findall(r"\w+", text.lower())


def token_f1(found: str, answer: str) -> float:
    """Return the F1 of the words in two answers; 1 or 0 if one of them has no words."""
    ours, theirs = tokens_of(found), tokens_of(answer)
    if not ours or not theirs:
        return float(found == answer)
    shared = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * shared / (len(ours) + len(theirs))


def answer_metrics(found: Sequence[str], answers: Sequence[str]) -> dict[str, float]:
    """Return the mean token F1 and the share of exact matches; "" is no answer."""
    pairs = list(zip(found, answers, strict=True))
    return {
        "token_f1": fmean(token_f1(*pair) for pair in pairs),
        "exact_match": fmean(one == other for one, other in pairs),
    }


def best_spans(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return first and last position of the best span, and its lead over "no answer".

    `logits`: of start and end, (samples, 2, words). The start of a span is followed by its end
    within MAX_ANSWER words; position 0 stands for "no answer".
    """
    start, end = logits.float().unbind(1)
    none = start[:, 0] + end[:, 0]
    start, end = start.clone(), torch.nn.functional.pad(end, (0, MAX_ANSWER - 1), value=-torch.inf)
    start[:, 0] = -torch.inf
    scores = start.unsqueeze(2) + end.unfold(1, MAX_ANSWER, 1)  # (samples, starts, lengths)
    best, place = scores.flatten(1).max(1)
    first = place.div(MAX_ANSWER, rounding_mode="floor")
    return first, first + place % MAX_ANSWER, best - none


def best_threshold(leads: Sequence[float], gains: Sequence[float]) -> float:
    """Return the threshold: spans with a smaller lead are dropped for "no answer".

    `gains`: of the score, if the span is kept. The threshold maximises their sum.
    """
    order = sorted(range(len(leads)), key=lambda row: leads[row])
    best, kept, threshold = 0.0, 0.0, float("inf")
    for row in reversed(order):
        kept += gains[row]
        if kept > best:
            best, threshold = kept, leads[row]
    return threshold


def gain_of(found: str, answer: str) -> float:
    """Return how much better a span is than "no answer"."""
    return token_f1(found, answer) - token_f1("", answer)


def cross_fitted(
    spans: Sequence[str], leads: Sequence[float], answers: Sequence[str]
) -> list[str]:
    """Return the answers after a threshold, which each half of the rows gets from the other.

    So no row has a part in the choice of its own threshold.
    """
    found = [""] * len(spans)
    for half in (0, 1):
        other = range(1 - half, len(spans), 2)
        gains = [gain_of(spans[row], answers[row]) for row in other]
        threshold = best_threshold([leads[row] for row in other], gains)
        for row in range(half, len(spans), 2):
            found[row] = spans[row] if leads[row] >= threshold else ""
    return found
