"""Span examples: a question, a text, and where the answer is in characters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from hpo_script.families.text.examples import read_cells

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
        raise ValueError(
            f"the text holds the answer {times} times; give its start_column and end_column"
        )
    first = text.index(answer)
    return first, first + len(answer)


def span_positions(
    one: SpanExample, places: Sequence[tuple[int, int]], n_kept: int, max_answer: int
) -> tuple[int, int] | None:
    """Return the first and the last word of an answer, counted in the text.

    `places`: of the words, in characters. None: the answer has no word, more than `max_answer`, or
    one behind the `n_kept` words that a model sees.
    """
    inside = [at for at, (start, end) in enumerate(places) if one.start < end and start < one.end]
    if not inside or len(inside) > max_answer or inside[-1] >= n_kept:
        return None
    return inside[0], inside[-1]
