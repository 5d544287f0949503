"""Reader of data files for rendering: columns, digest and dates, or a report of all problems.

The script reads the file again, with the constants that this reader finds. The reader imports
neither pandas nor numpy, whose import would slow down rendering.

`table` splits a file into cells, `columns` finds the columns, `values` parses the cells,
`rows` orders and checks the rows; `problems` is the report.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpogen.configuration.yaml_file import shown
from hpogen.errors import DataError
from hpogen.families.market.constants import READ_OPTIONS
from hpogen.families.market.data.column_names import check_names
from hpogen.families.market.data.columns import feature_columns, find_columns
from hpogen.families.market.data.reading import Reading
from hpogen.families.market.data.rows import ordered_rows
from hpogen.families.market.data.table import read_bytes, read_csv, read_parquet
from hpogen.families.market.data.values import read_dates, read_numbers

ALL_NEEDED = ("High", "Low", "Close")  # unless the task needs fewer


@dataclass(frozen=True)
class MarketFile:
    """A file of daily rows that passed all checks."""

    feature_columns: list[str]
    sha256: str
    dates: list[str]
    values: dict[str, list[float]]  # of each column of numbers
    read_options: dict[str, Any]  # constants with which the script reads the file
    notes: list[str]


def read_market(
    path: Path,
    configured: Mapping[str, Any] | None = None,
    *,
    needed: Sequence[str] = ALL_NEEDED,
    min_rows: int,
) -> MarketFile:
    """Read a CSV or Parquet file of daily prices.

    `configured` holds constants that the configuration sets, `needed` the prices that the task
    needs. Raises DataError with all problems of the file.
    """
    name, configured = shown(str(path), 200), configured or {}
    try:
        content = read_bytes(path)
        table = (
            read_parquet(content) if path.suffix == ".parquet" else read_csv(content, configured)
        )
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    defaults = {constant.name: constant.default for constant in READ_OPTIONS}
    chosen = {key: value for key, value in configured.items() if key in defaults}
    read_options = {**defaults, **table.read_options, **chosen}
    reading = Reading(table, configured, read_options, needed, notes=list(table.notes))
    check_table(reading, name, min_rows)
    if not find_columns(reading):
        reading.problems.raise_any(name)
    features = feature_columns(reading)
    wanted = list(dict.fromkeys((*read_options["price_columns"], *features)))
    rows = ordered_rows(reading, read_numbers(reading, wanted), read_dates(reading))
    reading.problems.raise_any(name)
    if len(rows.dates) < min_rows:
        raise DataError(f"{name}: {too_few(len(rows.dates), min_rows)}")
    dates = [moment.date().isoformat() for moment in rows.dates]
    sha256 = hashlib.sha256(content).hexdigest()
    return MarketFile(features, sha256, dates, rows.values, read_options, reading.notes)


def check_table(reading: Reading, name: str, min_rows: int) -> None:
    """Report faults of header and row lengths; raise DataError if no cell can be checked."""
    table, problems = reading.table, reading.problems
    check_names(table.names, reading.read_options["columns"], problems)
    if table.broken:
        number, size = table.broken[0]
        several = f" ({len(table.broken):,} rows)" if len(table.broken) > 1 else ""
        problems.add(f"row {number}: {size} fields, the header has {len(table.names)}{several}")
    n_rows = len(table.numbers)
    if n_rows + len(table.broken) == 0:
        problems.add("no rows below the header")
    elif n_rows + len(table.broken) < min_rows:
        problems.add(too_few(n_rows, min_rows))
    if n_rows == 0 or not set(reading.read_options["columns"].values()) <= set(table.names):
        problems.raise_any(name)


def too_few(n_rows: int, min_rows: int) -> str:
    """Return the fault of a file with too few rows."""
    return f"{n_rows:,} rows; at least {min_rows:,} are needed. Use a longer file."
