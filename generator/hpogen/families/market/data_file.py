"""Data files, read when rendering: their columns, digest and dates, or all of their problems.

The script reads its file again, by the constants that are recognised here. Neither pandas nor
numpy is imported: rendering must not wait for them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from hpo_script.families.market.cells import MISSING, PER_SECOND, parse_date, parse_number
from hpogen.errors import DataError
from hpogen.families.market.column_names import check_names, find_names, is_unnamed
from hpogen.families.market.constants import PRICE_COLUMNS, PRICES, READING
from hpogen.families.market.date_formats import fitting_formats, is_date
from hpogen.families.market.number_marks import Marks, find_marks, is_text
from hpogen.families.market.problems import Cell, Problems
from hpogen.families.market.row_order import Rows, arranged, is_newest_first
from hpogen.families.market.table_file import Table, read_bytes, read_csv, read_parquet
from hpogen.yaml_file import shown

ALL_NEEDED = ("High", "Low", "Close")  # of a task that does not say less


@dataclass(frozen=True)
class MarketFile:
    """A file of daily rows that passed every check."""

    feature_columns: list[str]
    sha256: str
    dates: list[str]
    values: dict[str, list[float]]  # of each column of numbers
    form: dict[str, Any]  # the constants by which the script reads the file
    left_out: dict[str, str]  # columns that hold no numbers, each with its first value
    notes: list[str]


def read_market(
    path: Path,
    said: Mapping[str, Any] | None = None,
    *,
    needed: Sequence[str] = ALL_NEEDED,
    min_rows: int,
) -> MarketFile:
    """Read a CSV or Parquet file of daily prices.

    `said` holds constants of the configuration; `needed` the prices that the task cannot do
    without. Raises DataError with all problems of the file.
    """
    try:
        content = read_bytes(path)
        said = said or {}
        table = read_parquet(content) if path.suffix == ".parquet" else read_csv(content, said)
    except DataError as error:
        raise DataError(f"{shown(str(path), 200)}: {error}") from None
    reader = Reader(shown(str(path), 200), table, said, needed)
    return reader.read(hashlib.sha256(content).hexdigest(), min_rows)


class Reader:
    """What is recognised in a table, step by step, and the problems that are found."""

    def __init__(
        self, path: str, table: Table, said: Mapping[str, Any], needed: Sequence[str]
    ) -> None:
        self.path, self.table, self.said, self.needed = path, table, said, needed
        defaults = {constant.name: constant.default for constant in READING}
        self.form = {**defaults, **table.form, **{n: said[n] for n in defaults if n in said}}
        self.notes, self.problems = list(table.notes), Problems()
        self.left_out: dict[str, str] = {}
        self.names: dict[str, str] = {}  # of each column in the script: its name in the file

    def read(self, sha256: str, min_rows: int) -> MarketFile:
        """Return the contents of the table. Raises DataError."""
        self.check_table(min_rows)
        self.find_columns()
        features = self.feature_columns()
        wanted = list(dict.fromkeys((*self.form["price_columns"], *features)))
        values = self.numbers(wanted)
        moments = self.dates()
        rows = self.rows(values, moments)
        self.problems.raise_any(self.path)
        if len(rows.dates) < min_rows:
            raise DataError(f"{self.path}: {too_few(len(rows.dates), min_rows)}")
        dates = [moment.date().isoformat() for moment in rows.dates]
        form = self.form
        return MarketFile(features, sha256, dates, rows.values, form, self.left_out, self.notes)

    def cells(self, name: str) -> Sequence[str]:
        """Return the cells of a column by its name in the script."""
        return self.table.column(self.names[name])

    def check_table(self, min_rows: int) -> None:
        """Find faults of the table as a whole; raise DataError for those that hide all others."""
        check_names(self.table.names, self.form["columns"], self.problems)
        if broken := self.table.broken:
            number, size = broken[0]
            several = f" ({len(broken):,} rows)" if len(broken) > 1 else ""
            self.problems.add(
                f"row {number}: {size} fields, the header has {len(self.table.names)}{several}"
            )
        n_rows = len(self.table.numbers)
        if n_rows + len(broken) == 0:
            self.problems.add("no row below the header")
        elif n_rows + len(broken) < min_rows:
            self.problems.add(too_few(n_rows, min_rows))
        if n_rows == 0:
            self.problems.raise_any(self.path)

    def find_columns(self) -> None:
        """Recognise dates, prices and volume by their names. Raises DataError."""
        said = self.form["columns"]
        free = [name for name in self.table.names if name not in said.values()]
        found = find_names(self.table.names, said, self.first_is_date, self.problems)
        others = [name for name in free if name not in found.values()]
        self.names = {**found, **{name: name for name in others if name not in found}}
        if "Close" not in found and (only := self.only_numbers(others)):
            self.names["Close"] = found["Close"] = only
            del self.names[only]
            self.notes.append(f"{shown(only)}, the only column of numbers, is read as Close")
        renamed = {here: there for here, there in found.items() if here != there}
        if new := [f"{n}: {shown(there)}" for n, there in renamed.items() if n not in said]:
            self.notes.append(f"columns by well-known names: {', '.join(new)}")
        self.form["columns"] = renamed
        if "price_columns" not in self.said:
            self.form["price_columns"] = [name for name in PRICES if name in self.names]
        self.check_missing()

    def check_missing(self) -> None:
        """Raise DataError if a column is missing that the task needs."""
        has = [name for name in ("Date", *self.form["price_columns"]) if name in self.names]
        missing = [name for name in ("Date", *PRICES) if name not in self.names]
        needed = [name for name in ("Date", *self.needed) if name not in has]
        if not needed and ("High" in has) != ("Low" in has):
            needed = ["High" if "Low" in has else "Low"]
        if not needed:
            return
        there = shown(", ".join(map(shown, self.table.names)), 200)
        example = ", ".join(f"{name}: ..." for name in missing)
        only_close = needed and not {"Date", "Close"} & {*needed}
        self.problems.add(
            f"no column {', '.join(missing)}; it has {there}",
            "" if only_close else f"columns: {{{example}}}  # their names in the file",
        )
        if only_close:
            self.problems.add(
                "the task needs High and Low; without them only direction can be predicted",
                "task: direction",
                section="",
            )
        self.problems.raise_any(self.path)

    def first_is_date(self, name: str) -> bool:
        """Return whether the first value of a column is a date."""
        return any(map(is_date, self.table.column(name)[:1]))

    def only_numbers(self, names: Sequence[str]) -> str | None:
        """Return the one column of numbers; None if there are several, or the task needs more."""
        if self.needed != ("Close",):
            return None
        found = [n for n in names if not is_unnamed(n) and not is_text(self.table.column(n))]
        return found[0] if len(found) == 1 else None

    def feature_columns(self) -> list[str]:
        """Return the columns that the model may see: those of numbers, or those that were said."""
        numeric = []
        for here, there in self.names.items():
            column = self.table.column(there)
            if here == "Date":
                continue
            if here in self.form["price_columns"]:
                numeric.append(here)
            elif is_unnamed(here):
                self.notes.append(f"column {shown(here)} is an index and is left out")
            elif is_text(column):
                first = next((cell for cell in column if cell.strip()), "")
                self.left_out[here] = shown(first)
            else:
                numeric.append(here)
        order = {name: index for index, name in enumerate(self.table.names)}
        numeric.sort(key=lambda name: order[self.names[name]])
        return self.chosen(numeric)

    def chosen(self, numeric: list[str]) -> list[str]:
        """Return the columns of numbers that were said, by either of their names, else all."""
        said = self.said.get("feature_columns")
        if said is None:
            return numeric
        here = {there: name for name, there in self.names.items()}
        columns = [name if name in self.names else here.get(name, name) for name in said]
        for name in columns:
            if name not in numeric:
                wrong = "holds text" if name in self.left_out else "is not there"
                self.problems.add(
                    f"column {shown(str(name))} {wrong}; numeric are"
                    f" {shown(', '.join(numeric), 300)}"
                )
        return [name for name in columns if name in numeric]

    def numbers(self, wanted: Sequence[str]) -> dict[str, list[float]]:
        """Return the numbers of columns, NaN where none is given."""
        marks = self.marks(wanted)
        form = self.form
        found = {
            name: [parse_number(cell, *marks) for cell in self.cells(name)] for name in wanted
        }
        wrong = self.faulty(found, math.isinf)
        self.problems.add_cells(wrong, "is not a finite number")
        if form["fill"] == "refuse":
            self.problems.add_cells(
                self.faulty(found, math.isnan),
                "is no value",
                "fill: previous  # the value of the row before; or drop: these rows are left out",
            )
        return found

    def marks(self, wanted: Sequence[str]) -> Marks:
        """Return the marks of the numbers in some columns."""
        found = find_marks(cell for name in wanted for cell in self.cells(name))
        if any(name in self.said for name in ("decimal", "thousands", "units")):
            form = self.form
            return Marks(form["decimal"], form["thousands"], form["units"])
        if found is None:
            self.problems.add(
                "a comma in numbers may be a decimal mark or a mark of thousands; no cell decides",
                'thousands: ","  # or decimal: ","',
            )
            found = Marks(thousands=",")
        self.form.update(found._asdict())
        if found.decimal != ".":
            self.notes.append("the decimal mark is a comma")
        if found.thousands:
            self.notes.append(f"'{found.thousands}' in numbers is a mark of thousands")
        if found.units:
            self.notes.append("units and currency signs in numbers: 1.2M is 1200000, 5% is 5")
        return found

    def faulty(self, values: Mapping[str, Sequence[float]], fault: Any) -> list[Cell]:
        """Return the cells whose number has a fault."""
        return [
            Cell(self.table.numbers[index], self.names[name], self.cells(name)[index])
            for name, column in values.items()
            for index, value in enumerate(column)
            if fault(value)
        ]

    def dates(self) -> list[datetime | None]:
        """Return the dates, None where a cell holds none."""
        cells = self.cells("Date")
        date_format = self.said.get("date_format") or self.date_format(cells)
        self.form["date_format"] = date_format
        found = [parse_date(cell, date_format) for cell in cells]
        like = "1999-01-04" if date_format in (None, "iso") else date_format
        wrong = [
            Cell(self.table.numbers[index], self.names["Date"], cells[index])
            for index, moment in enumerate(found)
            if moment is None and not (self.form["fill"] == "drop" and is_missing(cells[index]))
        ]
        self.problems.add_cells(wrong, f"is not a date such as {like}")
        return found

    def date_format(self, cells: Sequence[str]) -> str | None:
        """Return the format of the dates; one that no cell decides is a problem."""
        formats = fitting_formats(cells)
        if len(formats) > 1:
            first = Cell(self.table.numbers[0], self.names["Date"], cells[0])
            self.problems.add_cells(
                [first],
                "may begin with the month or with the day; no row decides",
                f'date_format: "{formats[0]}"  # or "{formats[1]}"',
            )
        found = formats[0] if formats else None
        since = " since 1970" if found in PER_SECOND else ""
        if found not in (None, "iso"):
            self.notes.append(f"dates such as {shown(cells[0])} are read as {found}{since}")
        return found

    def rows(self, values: dict[str, list[float]], moments: Sequence[datetime | None]) -> Rows:
        """Return the rows by date, with the faults that are seen then."""
        known = [index for index, moment in enumerate(moments) if moment is not None]
        texts = self.cells("Date")
        rows = Rows(
            [self.table.numbers[index] for index in known],
            [moment for moment in moments if moment is not None],
            [texts[index] for index in known],
            {name: [column[index] for index in known] for name, column in values.items()},
        )
        if "sort" not in self.said and is_newest_first(rows.dates):
            self.form["sort"] = True
            self.notes.append("the newest row is first; rows are sorted by date")
        n_rows = len(rows.dates)
        rows = arranged(rows, self.form, self.problems)
        if len(rows.dates) < n_rows:
            self.notes.append(f"{n_rows - len(rows.dates):,} of {n_rows:,} rows are left out")
        self.check_prices(rows)
        return rows

    def check_prices(self, rows: Rows) -> None:
        """Find prices that cannot be. Open or Close outside Low to High is in real data."""
        logs = [name for name, form in self.form["transforms"].items() if form == "log_ratio"]
        positive = [name for name in rows.values if name in (*PRICE_COLUMNS, *logs)]
        for name in positive:
            low = [index for index, value in enumerate(rows.values[name]) if value <= 0]
            self.problems.add_cells(self.cells_of(rows, name, low), "is not above 0")
        if "High" in rows.values and "Low" in rows.values:
            pairs = zip(rows.values["High"], rows.values["Low"], strict=True)
            below = [index for index, (high, low) in enumerate(pairs) if high < low < math.inf]
            self.problems.add_cells(self.cells_of(rows, "High", below), "is below Low")

    def cells_of(self, rows: Rows, name: str, indices: Sequence[int]) -> list[Cell]:
        """Return cells of a column by the indices of their rows."""
        values = rows.values[name]
        return [Cell(rows.numbers[i], self.names[name], f"{values[i]:.12g}") for i in indices]


def is_missing(cell: str) -> bool:
    """Return whether a cell has no value."""
    return cell.strip().lower() in MISSING


def too_few(n_rows: int, min_rows: int) -> str:
    """Return the fault of a file with too few rows."""
    return f"{n_rows:,} rows; at least {min_rows:,} are needed. Use a longer file."
