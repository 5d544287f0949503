"""Rows sorted by date, with repeated dates and missing values handled."""

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
    """Rows of a file: row numbers, dates, the dates as text, and the values of each column."""

    numbers: list[int]
    dates: list[datetime]
    texts: list[str]
    values: Values

    def keep(self, indices: Sequence[int]) -> Rows:
        """Return the rows at some indices, in the order of `indices`."""
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


def arranged(rows: Rows, read_options: Mapping[str, Any], problems: Problems) -> Rows:
    """Return the rows by date. The script applies the same steps in the same order.

    Unsorted rows and repeated dates that `read_options` does not handle are added to `problems`.
    """
    if read_options["fill"] == "drop":
        rows = rows.keep(rows.complete())
    if read_options["sort"]:
        rows = rows.keep(sorted(range(len(rows.dates)), key=rows.dates.__getitem__))
    check_order(rows, problems)
    if read_options["duplicates"] == "last":
        last = {date: index for index, date in enumerate(rows.dates)}
        rows = rows.keep(sorted(last.values()))
    else:
        check_repeated(rows, problems)
    if read_options["fill"] == "previous":
        filled = Rows(rows.numbers, rows.dates, rows.texts, forward_filled(rows.values))
        rows = filled.keep(filled.complete())  # rows before the first value stay incomplete
    return rows


def check_order(rows: Rows, problems: Problems) -> None:
    """Report dates that are earlier than the date of the row before."""
    unsorted = [
        Cell(rows.numbers[index], "Date", rows.texts[index])
        for index, (before, after) in enumerate(pairwise(rows.dates), 1)
        if after < before
    ]
    problems.add_cells(unsorted, "is earlier than the date of the row before", "sort: true")


def check_repeated(rows: Rows, problems: Problems) -> None:
    """Report dates that an earlier row has, too."""
    seen: set[datetime] = set()
    repeated = []
    for index, date in enumerate(rows.dates):
        if date in seen:
            repeated.append(Cell(rows.numbers[index], "Date", rows.texts[index]))
        seen.add(date)
    problems.add_cells(
        repeated,
        "is also the date of an earlier row",
        "duplicates: last  # keeps the last row of each date",
    )


def forward_filled(values: Values) -> Values:
    """Return columns in which the previous value replaces a missing one."""
    return {name: fill_column(column) for name, column in values.items()}


def fill_column(column: Sequence[float]) -> list[float]:
    """Return a column in which the previous value replaces a missing one."""
    filled, last = [], math.nan
    for value in column:
        last = last if math.isnan(value) else value
        filled.append(last)
    return filled
