"""Metrics of answers: token F1 as in Rajpurkar et al. 2016 (arXiv:1606.05250), and exact match.

Other than there, token F1 counts articles, and exact match compares every character.
"""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter
from statistics import fmean

import torch
from torch import Tensor

from hpo_script.families.text.constants import MAX_ANSWER

Spans = tuple[list[str], list[float]]  # the best span of each text, its lead over "no answer"


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

    `gains`: of the score, if the span is kept. The threshold maximises their sum; 0 without spans.
    """
    best, total, threshold = 0.0, 0.0, math.inf if leads else 0.0
    by_lead = sorted(zip(leads, gains, strict=True), reverse=True)
    for lead, equal in itertools.groupby(by_lead, key=itemgetter(0)):
        total += sum(gain for _, gain in equal)
        if total > best:
            best, threshold = total, lead
    return threshold


def fitted_threshold(
    spans: Sequence[str], leads: Sequence[float], answers: Sequence[str]
) -> float:
    """Return the threshold with the highest token F1."""
    pairs = zip(spans, answers, strict=True)
    gains = [token_f1(span, answer) - token_f1("", answer) for span, answer in pairs]
    return best_threshold(leads, gains)


def kept_spans(spans: Sequence[str], leads: Sequence[float], threshold: float) -> list[str]:
    """Return the spans as answers, "" where the lead is below the threshold."""
    pairs = zip(spans, leads, strict=True)
    return [span if lead >= threshold else "" for span, lead in pairs]


def halves_of(groups: Sequence[str]) -> list[int]:
    """Return the half of each row, 0 or 1; a group is in one half, large groups go first."""
    sizes, half_of = [0, 0], {}
    for group, size in Counter(groups).most_common():
        half_of[group] = sizes.index(min(sizes))
        sizes[half_of[group]] += size
    return [half_of[group] for group in groups]


def cross_fitted(
    spans: Sequence[str], leads: Sequence[float], answers: Sequence[str], groups: Sequence[str]
) -> list[str]:
    """Return the answers after a threshold, which each half of the rows gets from the other.

    So no row, and no other row of its group, has a part in the choice of its threshold.
    """
    halves, found = halves_of(groups), [""] * len(spans)
    parts = [[row for row, half in enumerate(halves) if half == one] for one in (0, 1)]
    for rows, others in (parts, parts[::-1]):
        texts, right = ([column[row] for row in others] for column in (spans, answers))
        threshold = fitted_threshold(texts, [leads[row] for row in others], right)
        for row in rows:
            found[row] = spans[row] if leads[row] >= threshold else ""
    return found
