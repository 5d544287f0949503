"""Data files, read when rendering: their columns, digest and dates, or all of their problems.

The script reads its file again, by the constants that are recognised here. Neither pandas nor
numpy is imported: rendering must not wait for them.

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
from hpogen.families.market.constants import READING
from hpogen.families.market.data.column_names import check_names
from hpogen.families.market.data.columns import feature_columns, find_columns
from hpogen.families.market.data.reading import Reading
from hpogen.families.market.data.rows import ordered_rows
from hpogen.families.market.data.table import read_bytes, read_csv, read_parquet
from hpogen.families.market.data.values import read_dates, read_numbers

ALL_NEEDED = ("High", "Low", "Close")  # of a task that does not say less


@dataclass(frozen=True)
class MarketFile:
    """A file of daily rows that passed every check."""

    feature_columns: list[str]
    sha256: str
    dates: list[str]
    values: dict[str, list[float]]  # of each column of numbers
    form: dict[str, Any]  # the constants by which the script reads the file
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
    name, said = shown(str(path), 200), said or {}
    try:
        content = read_bytes(path)
        table = read_parquet(content) if path.suffix == ".parquet" else read_csv(content, said)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    defaults = {constant.name: constant.default for constant in READING}
    chosen = {key: value for key, value in said.items() if key in defaults}
    form = {**defaults, **table.form, **chosen}
    reading = Reading(table, said, form, needed, notes=list(table.notes))
    check_table(reading, name, min_rows)
    if not find_columns(reading):
        reading.problems.raise_any(name)
    features = feature_columns(reading)
    wanted = list(dict.fromkeys((*form["price_columns"], *features)))
    rows = ordered_rows(reading, read_numbers(reading, wanted), read_dates(reading))
    reading.problems.raise_any(name)
    if len(rows.dates) < min_rows:
        raise DataError(f"{name}: {too_few(len(rows.dates), min_rows)}")
    dates = [moment.date().isoformat() for moment in rows.dates]
    sha256 = hashlib.sha256(content).hexdigest()
    return MarketFile(features, sha256, dates, rows.values, form, reading.notes)


def check_table(reading: Reading, name: str, min_rows: int) -> None:
    """Find faults of the table as a whole; raise DataError for those that hide all others."""
    table, problems = reading.table, reading.problems
    check_names(table.names, reading.form["columns"], problems)
    if table.broken:
        number, size = table.broken[0]
        several = f" ({len(table.broken):,} rows)" if len(table.broken) > 1 else ""
        problems.add(f"row {number}: {size} fields, the header has {len(table.names)}{several}")
    n_rows = len(table.numbers)
    if n_rows + len(table.broken) == 0:
        problems.add("no row below the header")
    elif n_rows + len(table.broken) < min_rows:
        problems.add(too_few(n_rows, min_rows))
    if n_rows == 0 or not set(reading.form["columns"].values()) <= set(table.names):
        problems.raise_any(name)


def too_few(n_rows: int, min_rows: int) -> str:
    """Return the fault of a file with too few rows."""
    return f"{n_rows:,} rows; at least {min_rows:,} are needed. Use a longer file."
