"""Columns of a table: dates, prices, volume, and other features."""

from __future__ import annotations

from collections.abc import Sequence

from hpogen.configuration.aliases import did_you_mean
from hpogen.configuration.yaml_file import shown
from hpogen.families.market.constants import PRICES
from hpogen.families.market.data.column_names import find_names, is_unnamed
from hpogen.families.market.data.date_formats import is_date
from hpogen.families.market.data.number_formats import is_text
from hpogen.families.market.data.reading import Reading
from hpogen.families.market.data.table import Table


def find_columns(reading: Reading) -> bool:
    """Find dates, prices and volume by name; return whether all needed columns exist."""
    table, configured = reading.table, reading.read_options["columns"]
    free = [name for name in table.names if name not in configured.values()]
    columns = find_names(
        table.names, configured, lambda name: starts_with_date(table, name), reading.problems
    )
    others = [name for name in free if name not in columns.values()]
    if "Close" not in columns and (only := only_numbers(reading, others)):
        columns["Close"] = only
        others.remove(only)
        reading.notes.append(f"column {shown(only)}, the only numeric one, is read as Close")
    reading.names = {**{name: name for name in others if name not in columns}, **columns}
    renamed = {name: in_file for name, in_file in columns.items() if name != in_file}
    if renamed.get("Date", "").startswith("__index_level_"):
        renamed["Date"] = "index"  # its name in the script
    new = [f"{shown(renamed[name])} as {name}" for name in renamed if name not in configured]
    if new:
        reading.notes.append(f"columns are read by another name: {', '.join(new)}")
    reading.read_options["columns"] = renamed
    if "price_columns" not in reading.configured:
        reading.read_options["price_columns"] = [name for name in PRICES if name in reading.names]
    return not find_missing(reading)


def starts_with_date(table: Table, name: str) -> bool:
    """Return whether the first value of a column is a date."""
    return any(map(is_date, table.column(name)[:1]))


def only_numbers(reading: Reading, names: Sequence[str]) -> str | None:
    """Return the only numeric column; None if there are several or the task needs other prices."""
    if tuple(reading.needed) != ("Close",):
        return None
    columns = {name: reading.table.column(name) for name in names if not is_unnamed(name)}
    numeric = [name for name, column in columns.items() if not is_text(column)]
    return numeric[0] if len(numeric) == 1 else None


def find_missing(reading: Reading) -> list[str]:
    """Return the missing columns, and report them as a problem."""
    prices = reading.read_options["price_columns"]
    wanted = ["Date", *reading.needed, *prices]
    if "High" in prices or "Low" in prices:
        wanted += ["High", "Low"]
    present = {"Date", *prices} & reading.names.keys()
    missing = [name for name in ("Date", *PRICES) if name in wanted and name not in present]
    if not missing:
        return []
    names = shown(", ".join(map(shown, reading.table.names)), 200)
    subject, verb = ("column", "is") if len(missing) == 1 else ("columns", "are")
    fault = f"{subject} {', '.join(missing)} {verb} missing; columns: {names}"
    if {"Date", "Close"} <= present:
        fault += "; without High and Low, use the task direction"
        reading.problems.add(fault, "task: direction", section="")
    else:
        reading.problems.add(fault)
        reading.problems.columns |= dict.fromkeys(missing, "...")
    return missing


def feature_columns(reading: Reading) -> list[str]:
    """Return the configured feature columns, or all numeric ones."""
    order = reading.table.names.index
    names = sorted(reading.names, key=lambda name: order(reading.names[name]))
    numeric = [name for name in names if is_number_column(reading, name)]
    configured = reading.configured.get("feature_columns")
    return numeric if configured is None else chosen(reading, configured, numeric)


def is_number_column(reading: Reading, name: str) -> bool:
    """Return whether a column is numeric; add a note about a column that is left out."""
    column = reading.cells(name)
    if name == "Date" or name in reading.read_options["price_columns"]:
        return name != "Date"
    if is_unnamed(reading.names[name]):
        reading.notes.append(f"column {shown(name)} is an index and is left out")
        return False
    if not is_text(column):
        return True
    first = shown(next((cell for cell in column if cell.strip()), ""))
    reading.notes.append(f"column {shown(name)} holds text ('{first}') and is left out")
    return False


def chosen(reading: Reading, names: Sequence[str], numeric: Sequence[str]) -> list[str]:
    """Return the numeric columns among some, given by their names in the script or the file."""
    of_file = {in_file: name for name, in_file in reading.names.items()}
    columns = [name if name in reading.names else of_file.get(name, name) for name in names]
    for name in columns:
        if name in reading.names and name not in numeric:
            reading.problems.add(f"column {shown(name)} is not numeric; leave it out")
        elif name not in numeric:
            hint = did_you_mean(name, numeric)
            reading.problems.add(f"column {shown(name)} is not in the file; {hint}")
    return [name for name in columns if name in numeric]
