"""Rows in the order of their dates: sorted, repeated dates and missing values treated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from hpogen.families.market.data.problems import Cell, Problems

Values = dict[str, list[float]]


@dataclass
class Rows:
    """Rows of a file: their numbers in it, dates, the texts of the dates, and numbers."""

    numbers: list[int]
    dates: list[datetime]
    texts: list[str]
    values: Values

    def keep(self, indices: Sequence[int]) -> Rows:
        """Return some rows, in the order of their indices."""
        return Rows(
            [self.numbers[i] for i in indices],
            [self.dates[i] for i in indices],
            [self.texts[i] for i in indices],
            {name: [column[i] for i in indices] for name, column in self.values.items()},
        )

    def complete(self) -> list[int]:
        """Return the indices of the rows without a missing value."""
        columns = self.values.values()
        return [
            index
            for index in range(len(self.dates))
            if not any(math.isnan(column[index]) for column in columns)
        ]


def is_newest_first(dates: Sequence[datetime]) -> bool:
    """Return whether the rows run from the newest to the oldest."""
    falls = all(before >= after for before, after in pairwise(dates))
    return falls and len(dates) > 1 and dates[0] > dates[-1]


def arranged(rows: Rows, form: Mapping[str, Any], problems: Problems) -> Rows:
    """Return the rows by date; the script does the same, in the same order.

    What `form` does not treat, rows out of order, repeated dates and missing values, is added to
    the problems.
    """
    if form["fill"] == "drop":
        rows = rows.keep(rows.complete())
    if form["sort"]:
        rows = rows.keep(sorted(range(len(rows.dates)), key=rows.dates.__getitem__))
    check_order(rows, problems)
    if form["duplicates"] == "last":
        last = {date: index for index, date in enumerate(rows.dates)}
        rows = rows.keep(sorted(last.values()))
    else:
        check_repeated(rows, problems)
    if form["fill"] == "previous":
        filled = Rows(rows.numbers, rows.dates, rows.texts, forward_filled(rows.values))
        rows = filled.keep(filled.complete())  # no value is known before the first one
    return rows


def check_order(rows: Rows, problems: Problems) -> None:
    """Find dates that are earlier than those of the row before."""
    found = [
        Cell(rows.numbers[index], "Date", rows.texts[index])
        for index, (before, after) in enumerate(pairwise(rows.dates), 1)
        if after < before
    ]
    problems.add_cells(found, "is earlier than the row before", "sort: true")


def check_repeated(rows: Rows, problems: Problems) -> None:
    """Find dates that stand in an earlier row, too."""
    seen: set[datetime] = set()
    found = []
    for index, date in enumerate(rows.dates):
        if date in seen:
            found.append(Cell(rows.numbers[index], "Date", rows.texts[index]))
        seen.add(date)
    problems.add_cells(
        found,
        "is the date of an earlier row, too",
        "duplicates: last  # keeps the last row of each date",
    )


def forward_filled(values: Values) -> Values:
    """Return columns in which a missing value is the one of the row before."""
    return {name: fill_column(column) for name, column in values.items()}


def fill_column(column: Sequence[float]) -> list[float]:
    """Return a column in which a missing value is the one of the row before."""
    filled, last = [], math.nan
    for value in column:
        last = last if math.isnan(value) else value
        filled.append(last)
    return filled
