"""Rows of a table by date, and a check for impossible prices."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from hpogen.configuration.yaml_file import shown
from hpogen.families.market.constants import PRICE_COLUMNS
from hpogen.families.market.data.problems import Cell
from hpogen.families.market.data.reading import Reading
from hpogen.families.market.data.row_order import Rows, arranged, is_newest_first


def ordered_rows(
    reading: Reading, values: Mapping[str, Sequence[float]], moments: Sequence[datetime | None]
) -> Rows:
    """Return the rows by date; report unsorted rows, repeated dates and impossible prices."""
    dated = [index for index, moment in enumerate(moments) if moment is not None]
    texts = reading.cells("Date")
    rows = Rows(
        [reading.table.numbers[index] for index in dated],
        [moment for moment in moments if moment is not None],
        [texts[index] for index in dated],
        {name: [column[index] for index in dated] for name, column in values.items()},
    )
    if not rows_of_one_instrument(reading, dated, rows):
        return rows
    if "sort" not in reading.configured and is_newest_first(rows.dates):
        reading.read_options["sort"] = True
        reading.notes.append("the newest row is first; rows are sorted by date")
    rows = arranged(rows, reading.read_options, reading.problems)
    n_rows = len(moments)
    if len(rows.dates) < n_rows:
        reading.notes.append(f"{n_rows - len(rows.dates):,} of {n_rows:,} rows are left out")
    check_prices(reading, rows)
    return rows


def rows_of_one_instrument(reading: Reading, dated: Sequence[int], rows: Rows) -> bool:
    """Return whether the rows are of one instrument; report a column that names several.

    To keep the last row of each date would mix the prices of instruments.
    """
    n_rows, n_dates = len(rows.dates), len({*rows.dates})
    if reading.read_options["duplicates"] == "last" or n_rows - n_dates < n_rows / 10:
        return True
    for name in reading.names.keys() - {"Date", *PRICE_COLUMNS}:
        column = reading.cells(name)
        kinds = list(dict.fromkeys(column[index] for index in dated))
        pairs = {(date, column[index]) for date, index in zip(rows.dates, dated, strict=True)}
        if len(pairs) == n_rows and 1 < len(kinds) < n_rows / 10:
            values = ", ".join(f"'{shown(kind, 20)}'" for kind in kinds[:2])
            more = ", …" if len(kinds) > 2 else ""
            reading.problems.add(
                f"column {shown(reading.names[name])} names {len(kinds):,} instruments ({values}"
                f"{more}), which have rows of the same dates; write the rows of one into a file"
            )
            return False
    return True


def check_prices(reading: Reading, rows: Rows) -> None:
    """Report impossible prices. Real data have an Open or Close outside Low to High."""
    transforms = reading.read_options["transforms"]
    logs = [name for name, transform in transforms.items() if transform == "log_ratio"]
    for name in [name for name in rows.values if name in (*PRICE_COLUMNS, *logs)]:
        low = [index for index, value in enumerate(rows.values[name]) if value <= 0]
        reading.problems.add_cells(cells_of(reading, rows, name, low), "is not above 0")
    if "High" in rows.values and "Low" in rows.values:
        pairs = zip(rows.values["High"], rows.values["Low"], strict=True)
        below = [index for index, (high, low) in enumerate(pairs) if high < low < math.inf]
        reading.problems.add_cells(cells_of(reading, rows, "High", below), "is below Low")


def cells_of(reading: Reading, rows: Rows, name: str, indices: Sequence[int]) -> list[Cell]:
    """Return cells of a column by the indices of their rows."""
    values, in_file = rows.values[name], reading.names[name]
    return [Cell(rows.numbers[index], in_file, f"{values[index]:.12g}") for index in indices]
