"""Rules for spans, the baselines: the commonest place, and the commonest answer in the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hpo_script.families.text.spans.examples import SpanExample


def commonest_place(train: Sequence[SpanExample], asked: Sequence[SpanExample]) -> list[str]:
    """Return for each example the text at the place that has the most answers in training."""
    places = Counter((one.start, one.end) for one in train if one.answer)
    start, end = places.most_common(1)[0][0]
    return [example.text[start:end] for example in asked]


def commonest_answer(train: Sequence[SpanExample], asked: Sequence[SpanExample]) -> list[str]:
    """Return the commonest training answer to the same question that the text holds, else ""."""
    counts: dict[str, Counter[str]] = {}
    for one in train:
        if one.answer:
            counts.setdefault(one.question, Counter())[one.answer] += 1
    known = {question: [a for a, _ in found.most_common()] for question, found in counts.items()}
    return [
        next((answer for answer in known.get(one.question, []) if answer in one.text), "")
        for one in asked
    ]
