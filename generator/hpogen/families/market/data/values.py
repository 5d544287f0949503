"""Numbers and dates in the cells of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from hpo_script.families.market.cells import MISSING, PER_SECOND, parse_date, parse_number
from hpogen.configuration.yaml_file import shown
from hpogen.families.market.data.date_formats import fitting_formats
from hpogen.families.market.data.number_formats import NumberFormat, find_number_format
from hpogen.families.market.data.problems import Cell
from hpogen.families.market.data.reading import Reading


def read_numbers(reading: Reading, names: Sequence[str]) -> dict[str, list[float]]:
    """Return the numbers of columns; a missing value is NaN."""
    fmt = number_format(reading, names)
    values = {name: [parse_number(cell, *fmt) for cell in reading.cells(name)] for name in names}
    wrong, missing = cells_where(reading, values)
    reading.problems.add_cells(wrong, "is not a finite number")
    if reading.read_options["fill"] == "refuse":
        reading.problems.add_cells(
            missing,
            "is a missing value",
            "fill: previous  # takes the value of the row before; drop leaves these rows out",
        )
    return values


def cells_where(
    reading: Reading, values: Mapping[str, Sequence[float]]
) -> tuple[list[Cell], list[Cell]]:
    """Return the cells that are not numbers, and those with a missing value."""
    wrong, missing = [], []
    for name, column in values.items():
        for index, value in enumerate(column):
            if math.isinf(value):
                wrong.append(reading.cell(name, index))
            elif math.isnan(value):
                missing.append(reading.cell(name, index))
    return wrong, missing


def number_format(reading: Reading, names: Sequence[str]) -> NumberFormat:
    """Return the format of the numbers in some columns: as configured, otherwise as recognised.

    Stores it in `reading.read_options`; adds a note for each recognised property.
    """
    configured = reading.configured
    recognised = find_number_format(cell for name in names for cell in reading.cells(name))
    if recognised is None and not {"decimal", "thousands"} & configured.keys():
        reading.problems.add(
            "a comma in numbers may be the decimal or the thousands separator",
            'thousands: ","  # or decimal: ","',
        )
        recognised = NumberFormat(thousands=",")
    recognised = recognised or NumberFormat()
    decimal = configured.get("decimal", recognised.decimal)
    possible = recognised.thousands if recognised.thousands != decimal else ""
    thousands = configured.get("thousands", possible)
    fmt = NumberFormat(decimal, thousands, configured.get("units", recognised.units))
    reading.read_options.update(fmt._asdict())
    notes = {
        "decimal": "the decimal separator is a comma" if decimal == "," else "",
        "thousands": f"the thousands separator is '{thousands}'" if thousands else "",
        "units": "units and currency signs in numbers: 1.2M is 1200000, 5% is 5"
        if fmt.units
        else "",
    }
    reading.notes += [note for name, note in notes.items() if note and name not in configured]
    return fmt


def read_dates(reading: Reading) -> list[datetime | None]:
    """Return the dates; None for a cell that is not a date.

    Stores their format in `reading.read_options`.
    """
    cells = reading.cells("Date")
    date_format = reading.configured.get("date_format") or recognised_format(reading, cells)
    reading.read_options["date_format"] = date_format
    dates = [parse_date(cell, date_format) for cell in cells]
    drop = reading.read_options["fill"] == "drop"
    wrong = [
        reading.cell("Date", index)
        for index, moment in enumerate(dates)
        if moment is None and not (drop and cells[index].strip().lower() in MISSING)
    ]
    like = "such as 1999-01-04" if date_format in (None, "iso") else f"in {date_format}"
    reading.problems.add_cells(wrong, f"is not a date {like}")
    return dates


def recognised_format(reading: Reading, cells: Sequence[str]) -> str | None:
    """Return the format of the dates; report a problem if it is ambiguous."""
    formats = fitting_formats(cells)
    if len(formats) > 1:
        reading.problems.add_cells(
            [reading.cell("Date", 0)],
            "is ambiguous: the month or the day may come first in all rows",
            f'date_format: "{formats[0]}"  # or "{formats[1]}"',
        )
    date_format = formats[0] if formats else None
    since_1970 = " since 1970" if date_format in PER_SECOND else ""
    if date_format not in (None, "iso"):
        example = shown(cells[0])
        reading.notes.append(f"dates such as {example} are read as {date_format}{since_1970}")
    return date_format
