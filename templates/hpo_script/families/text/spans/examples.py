"""Span examples: a question, a text, and where the answer is in characters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from hpo_script.families.text.examples import read_cells
from hpo_script.families.text.spans.words import (
    FEATURES,
    MARK,
    PADDING,
    word_buckets,
    word_places,
)

NO_ANSWER = (-1, -1)


class SpanExample(NamedTuple):
    """A row of the file; `start` is -1 without an answer.

    Only tasks with labels have a label; see `Example` about group and split.
    """

    question: str
    text: str
    start: int
    end: int
    group: str = ""
    split: str = ""
    label: str = ""

    @property
    def answer(self) -> str:
        """The text of the answer, empty without one."""
        return self.text[max(self.start, 0) : max(self.end, 0)]

    @property
    def kind(self) -> str:
        """The label and whether there is an answer; its share is the same in every split."""
        return f"{'answer' if self.start >= 0 else 'no answer'} {self.label}"


def span_examples(
    rows: Iterable[Mapping[str, Any]],
    columns: Mapping[str, str | None],
    hidden: Collection[str] = (),
) -> list[SpanExample]:
    """Return the examples of rows. Raises ValueError with the number of the row.

    `columns` names text, question, start, end, answer, group, split and, where there are labels,
    label; see `read_cells` about `hidden`.
    """
    needed = ("text", "question", "group", "split", "label")
    rows_of_text = enumerate(read_cells(rows, columns, needed, hidden), 1)
    return [span_example(cells, number, columns) for number, cells in rows_of_text]


def span_example(
    cells: Mapping[str, str], number: int, columns: Mapping[str, str | None]
) -> SpanExample:
    """Return the example of row `number`. Raises ValueError."""
    text = cells["text"]
    try:
        if columns["answer"]:
            start, end = found_span(cells["answer"], text)
        else:
            start, end = given_span(cells["start"], cells["end"], text)
    except ValueError as error:
        raise ValueError(f"row {number}: {error}") from None
    more = {name: cells[name] for name in ("group", "split", "label") if name in cells}
    return SpanExample(cells["question"], text, start, end, **more)


def given_span(start: str, end: str, text: str) -> tuple[int, int]:
    """Return the span that a row names in characters. Raises ValueError."""
    if not start and not end:
        return NO_ANSWER
    numbers = [float(value) if value else -1.0 for value in (start, end)]
    if not all(number.is_integer() for number in numbers):
        raise ValueError(f"start {start!r} and end {end!r} are not whole numbers")
    first, last = map(int, numbers)
    if not 0 <= first < last <= len(text):
        raise ValueError(f"start {start!r} and end {end!r} are not within the text")
    return first, last


def found_span(answer: str, text: str) -> tuple[int, int]:
    """Return the only place of an answer in a text. Raises ValueError."""
    if not answer:
        return NO_ANSWER
    if (times := text.count(answer)) != 1:
        raise ValueError(f"the text holds the answer {times} times; give columns start and end")
    first = text.index(answer)
    return first, first + len(answer)


def encode(one: SpanExample, context_length: int) -> tuple[list[list[int]], int]:
    """Return the buckets of a question and a text, and the position at which the text begins.

    The question is cut to a quarter of the context, the text to the rest.
    """
    mark = [[MARK, *[PADDING] * (FEATURES - 1)]]
    question, text = (
        [word_buckets(words[start:end], role) for start, end in word_places(words)]
        for role, words in (("question", one.question), ("text", one.text))
    )
    head = [*mark, *question[: context_length // 4], *mark]
    return [*head, *text][:context_length], len(head)


def span_positions(
    one: SpanExample, first: int, *, context_length: int, max_answer: int
) -> tuple[int, int]:
    """Return the positions of the first and last word of an answer; (0, 0) without one.

    (-1, -1): it has more than `max_answer` words, or is not within the context, or has no word.
    """
    if not one.answer:
        return 0, 0
    places = word_places(one.text)
    inside = [at for at, (a, b) in enumerate(places) if one.start < b and a < one.end]
    if not inside or len(inside) > max_answer or first + inside[-1] >= context_length:
        return -1, -1
    return first + inside[0], first + inside[-1]
