"""Data files, read when rendering: their columns, digest and dates, or what is wrong and where.

The script reads its file again, by the same rules. Neither pandas nor numpy is imported here:
rendering must not wait for them.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from hpogen.errors import DataError, MissingDependencyError
from hpogen.yaml_file import is_plain, shown

PRICES = ("Open", "High", "Low", "Close")
PRICE_COLUMNS = (*PRICES, "Adj Close")
MAX_NAME = 100
# What pandas, float() and people all read as a number: no 1_000, no 0x10, no digits but ours.
NUMBER = re.compile(r" *[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)? *")
INFINITE = re.compile(r" *[+-]?inf(inity)? *", re.IGNORECASE)
MISSING = {"", "nan", "na", "n/a", "<na>", "null", "none"}
DATE = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})-([0-9]{2})|([0-9]{2})([0-9]{2}))"
    r"(?:[ T]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?)?"
)
FIRST_YEAR, LAST_YEAR = 1700, 2199  # pandas 2 holds no dates far outside
INDEX_LEVEL = re.compile(r"__index_level_[0-9]+__")  # how pandas writes an index without a name


@dataclass(frozen=True)
class MarketFile:
    """A file of daily rows that passed every check."""

    feature_columns: list[str]
    sha256: str
    dates: list[str]
    values: dict[str, list[float]]  # of each feature column
    still: dict[str, int]  # how many rows each column keeps its first value
    left_out: dict[str, str]  # columns that hold no numbers, each with its first value


class Table(NamedTuple):
    """The cells of a file as text, by column, and the number of each row in the file."""

    names: list[str]
    columns: Sequence[Sequence[str]]
    numbers: Sequence[int]

    def column(self, name: str) -> Sequence[str]:
        """Return the cells of a column."""
        return self.columns[self.names.index(name)]

    def refuse(self, name: str, index: int, what: str) -> DataError:
        """Return the error about a cell."""
        value = shown(self.column(name)[index])
        return DataError(f"row {self.numbers[index]}: {shown(name)} is '{value}', {what}")


def read_market(path: Path, *, min_rows: int) -> MarketFile:
    """Read a CSV or Parquet file of daily prices. Raises DataError."""
    try:
        content = read_bytes(path)
        table = read_parquet(content) if path.suffix == ".parquet" else read_csv(content)
        return check_market(table, hashlib.sha256(content).hexdigest(), min_rows)
    except DataError as error:
        raise DataError(f"{shown(str(path), 200)}: {error}") from None


def read_bytes(path: Path) -> bytes:
    """Return the content of a file. Raises DataError."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(
            "no such file. Give a CSV with Date, Open, High, Low, Close and more columns by"
            " --data; `hpogen demo-data sp500` writes one with real prices."
        ) from None
    except IsADirectoryError:
        raise DataError("a folder; give a CSV or Parquet file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise unreadable(error) from None


def unreadable(error: Exception) -> DataError:
    """Return the error about a file or folder that cannot be read."""
    reason = getattr(error, "strerror", None) or str(error)
    return DataError(f"cannot be read: {shown(reason, 200)}")


def read_csv(content: bytes) -> Table:
    """Return the table of a CSV file; empty lines are skipped. Raises DataError."""
    try:
        text = content.decode("utf-8-sig")
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        names = next(lines, [])
        rows = [(lines.line_num, row) for row in lines if row]
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"line {line}: not UTF-8; save the file as UTF-8, or call a Parquet file .parquet"
        ) from None
    except csv.Error as error:
        raise DataError(f"line {lines.line_num}: not CSV: {shown(str(error), 200)}") from None
    if not names:
        raise DataError("no header; the first line names the columns, Date first")
    for number, row in rows:
        if len(row) != len(names):
            raise DataError(f"row {number}: {len(row)} fields, the header has {len(names)}")
    columns = [[row[index] for _, row in rows] for index in range(len(names))]
    return Table(names, columns, [number for number, _ in rows])


def read_parquet(content: bytes) -> Table:
    """Return the table of a Parquet file. Raises DataError, MissingDependencyError."""
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise MissingDependencyError(
            "a Parquet file needs pyarrow: python -m pip install pyarrow"
        ) from None
    try:
        found = parquet.ParquetFile(arrow.BufferReader(content)).read()
        columns = [cells(arrow, column) for column in found.columns]
    except Exception as error:  # whatever pyarrow raises at a damaged file
        raise DataError(f"not Parquet: {shown(str(error), 200)}") from None
    return Table(list(found.column_names), columns, range(1, found.num_rows + 1))


def cells(arrow: Any, column: Any) -> list[str]:
    """Return the values of an Arrow column as text; a missing one is empty."""
    types = arrow.types
    if types.is_timestamp(column.type) or types.is_date(column.type):
        column = column.cast(arrow.string())
    kinds = ("integer", "floating", "decimal", "string", "large_string", "dictionary")
    if any(getattr(types, f"is_{kind}")(column.type) for kind in kinds):
        return ["" if value is None else str(value) for value in column.to_pylist()]
    return [f"({column.type})"] * len(column)


def check_market(table: Table, sha256: str, min_rows: int) -> MarketFile:
    """Return the contents of a table. Raises DataError at the first fault."""
    check_names(table.names)
    n_rows = len(table.numbers)
    if n_rows == 0:
        raise DataError("no row below the header")
    if n_rows < min_rows:
        raise DataError(f"{n_rows:,} rows; at least {min_rows:,} are needed. Use a longer file.")
    left_out = {
        name: shown(column[0])
        for name, column in zip(table.names, table.columns, strict=True)
        if name not in (*PRICES, "Date") and (INDEX_LEVEL.fullmatch(name) or is_text(column))
    }
    features = [name for name in table.names if name != "Date" and name not in left_out]
    values = {name: check_numbers(table, name) for name in features}
    check_prices(table, values)
    still = {
        name: next((n for n, value in enumerate(column) if value != column[0]), n_rows)
        for name, column in values.items()
    }
    dates = check_dates(table)
    return MarketFile(features, sha256, dates, values, still, left_out)


def check_names(names: Sequence[str]) -> None:
    """Refuse names that cannot be told apart or shown, and missing ones. Raises DataError."""
    seen: set[str] = set()
    for number, name in enumerate(names, 1):
        if not name.strip():
            raise DataError(
                f"column {number} has no name; name it, or write the table without its index"
            )
        if len(name) > MAX_NAME:
            raise DataError(
                f"column {number}: the name {shown(name)} has {len(name):,} characters;"
                f" at most {MAX_NAME}"
            )
        if not all(map(is_plain, name)):
            raise DataError(
                f"column {number}: the name {shown(name)} holds a control character; rename it"
            )
        if name in seen:
            raise DataError(f"column {number}: the name {shown(name)} is given twice; rename one")
        seen.add(name)
    missing = [name for name in ("Date", *PRICES) if name not in seen]
    if missing:
        found = shown(", ".join(shown(name) for name in names), 200)
        raise DataError(f"no column {', '.join(missing)}; it has {found}")


def is_text(column: Sequence[str]) -> bool:
    """Tell whether the first value that is given is no number; so also if there is none.

    A column of an indicator often starts with rows that have none: missing, not text.
    """
    first = next((value for value in column if value.strip().lower() not in MISSING), "")
    return not (NUMBER.fullmatch(first) or INFINITE.fullmatch(first))


def check_numbers(table: Table, name: str) -> list[float]:
    """Return the values of a column. Raises DataError at the first that is no finite number."""
    values = []
    for index, text in enumerate(table.column(name)):
        value = float(text) if NUMBER.fullmatch(text) else math.nan
        if not math.isfinite(value):
            raise table.refuse(name, index, "not a finite number; correct it or leave it out")
        values.append(value)
    return values


def check_prices(table: Table, values: dict[str, list[float]]) -> None:
    """Refuse prices that cannot be. Open or Close outside Low to High is in real data."""
    for name in PRICES:
        for index, value in enumerate(values[name]):
            if value <= 0:
                raise table.refuse(name, index, "not above 0")
    for index, (high, low) in enumerate(zip(values["High"], values["Low"], strict=True)):
        if high < low:
            raise table.refuse("High", index, f"below Low, {shown(table.column('Low')[index])}")


def check_dates(table: Table) -> list[str]:
    """Return the dates, YYYY-MM-DD. Raises DataError where they do not rise."""
    moments = []
    for index, text in enumerate(table.column("Date")):
        moment = parse_date(text)
        if moment is None:
            raise table.refuse("Date", index, "not a date such as 1999-01-04, without a zone")
        moments.append(moment)
    pairs = list(enumerate(pairwise(moments), 1))
    for index, (before, after) in pairs:
        if after < before:
            raise table.refuse("Date", index, "earlier than the row before; sort by Date")
    for index, (before, after) in pairs:
        if after == before:
            raise table.refuse("Date", index, "the date of the row before; keep one of them")
    return [moment.date().isoformat() for moment, _ in moments]


def parse_date(text: str) -> tuple[datetime, str] | None:
    """Return an ISO date, to the second, and its fraction of a second; None if it is none."""
    match = DATE.fullmatch(text)
    if not match:
        return None
    year, *days, hour, minute, second, fraction = match.groups()
    month, day = (part for part in days if part)
    hour, minute, second = (part or "00" for part in (hour, minute, second))
    try:
        moment = datetime.fromisoformat(f"{year}-{month}-{day} {hour}:{minute}:{second}")
    except ValueError:
        return None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        return None
    return moment, (fraction or "").ljust(9, "0")
