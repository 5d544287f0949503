"""Rows of a table by date, and the prices in them that cannot be."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from hpogen.families.market.constants import PRICE_COLUMNS
from hpogen.families.market.data.problems import Cell
from hpogen.families.market.data.reading import Reading
from hpogen.families.market.data.row_order import Rows, arranged, is_newest_first


def ordered_rows(
    reading: Reading, values: Mapping[str, Sequence[float]], moments: Sequence[datetime | None]
) -> Rows:
    """Return the rows by date; faults that are seen then are added to the problems."""
    known = [index for index, moment in enumerate(moments) if moment is not None]
    texts = reading.cells("Date")
    rows = Rows(
        [reading.table.numbers[index] for index in known],
        [moment for moment in moments if moment is not None],
        [texts[index] for index in known],
        {name: [column[index] for index in known] for name, column in values.items()},
    )
    if "sort" not in reading.said and is_newest_first(rows.dates):
        reading.form["sort"] = True
        reading.notes.append("the newest row is first; rows are sorted by date")
    rows = arranged(rows, reading.form, reading.problems)
    n_rows = len(moments)
    if len(rows.dates) < n_rows:
        reading.notes.append(f"{n_rows - len(rows.dates):,} of {n_rows:,} rows are left out")
    check_prices(reading, rows)
    return rows


def check_prices(reading: Reading, rows: Rows) -> None:
    """Find prices that cannot be. Open or Close outside Low to High is in real data."""
    transforms = reading.form["transforms"]
    logs = [name for name, form in transforms.items() if form == "log_ratio"]
    for name in [name for name in rows.values if name in (*PRICE_COLUMNS, *logs)]:
        low = [index for index, value in enumerate(rows.values[name]) if value <= 0]
        reading.problems.add_cells(cells_of(reading, rows, name, low), "is not above 0")
    if "High" in rows.values and "Low" in rows.values:
        pairs = zip(rows.values["High"], rows.values["Low"], strict=True)
        below = [index for index, (high, low) in enumerate(pairs) if high < low < math.inf]
        reading.problems.add_cells(cells_of(reading, rows, "High", below), "is below Low")


def cells_of(reading: Reading, rows: Rows, name: str, indices: Sequence[int]) -> list[Cell]:
    """Return cells of a column by the indices of their rows."""
    values, there = rows.values[name], reading.names[name]
    return [Cell(rows.numbers[index], there, f"{values[index]:.12g}") for index in indices]
