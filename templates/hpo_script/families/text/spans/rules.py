"""Rules for spans, the baselines: no answer, the commonest place, the commonest answer.

The lead of a rule is infinite, so that no threshold drops its answers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from hpo_script.families.text.spans.examples import SpanExample
from hpo_script.families.text.spans.metrics import Spans


def no_answer(_train: Sequence[SpanExample], asked: Sequence[SpanExample]) -> Spans:
    """Return "" for each example."""
    return [""] * len(asked), [math.inf] * len(asked)


def commonest_place(train: Sequence[SpanExample], asked: Sequence[SpanExample]) -> Spans:
    """Return for each example the text at the place that has the most answers in training."""
    places = Counter((one.start, one.end) for one in train if one.answer)
    start, end = places.most_common(1)[0][0]
    return [example.text[start:end] for example in asked], [math.inf] * len(asked)


def commonest_answer(train: Sequence[SpanExample], asked: Sequence[SpanExample]) -> Spans:
    """Return the commonest training answer to the same question that the text holds, else ""."""
    counts: dict[str, Counter[str]] = {}
    for one in train:
        if one.answer:
            counts.setdefault(one.question, Counter())[one.answer] += 1
    known = {question: [a for a, _ in found.most_common()] for question, found in counts.items()}
    answers = [
        next((answer for answer in known.get(one.question, []) if answer in one.text), "")
        for one in asked
    ]
    return answers, [math.inf] * len(asked)
