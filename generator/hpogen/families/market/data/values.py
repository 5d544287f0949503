"""Values of a table: the numbers and the dates in its cells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from hpo_script.families.market.cells import MISSING, PER_SECOND, parse_date, parse_number
from hpogen.configuration.yaml_file import shown
from hpogen.families.market.data.date_formats import fitting_formats
from hpogen.families.market.data.number_marks import Marks, find_marks
from hpogen.families.market.data.problems import Cell
from hpogen.families.market.data.reading import Reading


def read_numbers(reading: Reading, names: Sequence[str]) -> dict[str, list[float]]:
    """Return the numbers of columns, NaN where a cell has no value."""
    marks = read_marks(reading, names)
    found = {name: [parse_number(cell, *marks) for cell in reading.cells(name)] for name in names}
    wrong, missing = cells_where(reading, found)
    reading.problems.add_cells(wrong, "is not a finite number")
    if reading.form["fill"] == "refuse":
        reading.problems.add_cells(
            missing,
            "is no value",
            "fill: previous  # the value of the row before; or drop: these rows are left out",
        )
    return found


def cells_where(
    reading: Reading, values: Mapping[str, Sequence[float]]
) -> tuple[list[Cell], list[Cell]]:
    """Return the cells that hold no number, and those without a value."""
    wrong, missing = [], []
    for name, column in values.items():
        for index, value in enumerate(column):
            if math.isinf(value):
                wrong.append(reading.cell(name, index))
            elif math.isnan(value):
                missing.append(reading.cell(name, index))
    return wrong, missing


def read_marks(reading: Reading, names: Sequence[str]) -> Marks:
    """Return the marks of the numbers in some columns: those that were said, else recognised."""
    said, form = reading.said, reading.form
    found = find_marks(cell for name in names for cell in reading.cells(name))
    if found is None and not {"decimal", "thousands"} & said.keys():
        reading.problems.add(
            "a comma in numbers may be a decimal mark or a mark of thousands; no cell decides",
            'thousands: ","  # or decimal: ","',
        )
        found = Marks(thousands=",")
    found = found or Marks()
    decimal = said.get("decimal", found.decimal)
    thousands = said.get("thousands", found.thousands if found.thousands != decimal else "")
    marks = Marks(decimal, thousands, said.get("units", found.units))
    form.update(marks._asdict())
    notes = {
        "decimal": "the decimal mark is a comma" if decimal == "," else "",
        "thousands": f"'{thousands}' in numbers is a mark of thousands" if thousands else "",
        "units": "units and currency signs in numbers: 1.2M is 1200000, 5% is 5"
        if marks.units
        else "",
    }
    reading.notes += [note for name, note in notes.items() if note and name not in said]
    return marks


def read_dates(reading: Reading) -> list[datetime | None]:
    """Return the dates, None where a cell holds none."""
    cells = reading.cells("Date")
    date_format = reading.said.get("date_format") or recognised_format(reading, cells)
    reading.form["date_format"] = date_format
    found = [parse_date(cell, date_format) for cell in cells]
    drop = reading.form["fill"] == "drop"
    wrong = [
        reading.cell("Date", index)
        for index, moment in enumerate(found)
        if moment is None and not (drop and cells[index].strip().lower() in MISSING)
    ]
    like = "such as 1999-01-04" if date_format in (None, "iso") else f"in {date_format}"
    reading.problems.add_cells(wrong, f"is not a date {like}")
    return found


def recognised_format(reading: Reading, cells: Sequence[str]) -> str | None:
    """Return the format of the dates; one that no cell decides is a problem."""
    formats = fitting_formats(cells)
    if len(formats) > 1:
        reading.problems.add_cells(
            [reading.cell("Date", 0)],
            "may begin with the month or with the day; no row decides",
            f'date_format: "{formats[0]}"  # or "{formats[1]}"',
        )
    found = formats[0] if formats else None
    since = " since 1970" if found in PER_SECOND else ""
    if found not in (None, "iso"):
        reading.notes.append(f"dates such as {shown(cells[0])} are read as {found}{since}")
    return found
