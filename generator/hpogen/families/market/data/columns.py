"""Columns of a table: dates, prices and volume, and the others that the model may see."""

from __future__ import annotations

from collections.abc import Sequence

from hpogen.configuration.aliases import did_you_mean
from hpogen.configuration.yaml_file import shown
from hpogen.families.market.constants import PRICES
from hpogen.families.market.data.column_names import find_names, is_unnamed
from hpogen.families.market.data.date_formats import is_date
from hpogen.families.market.data.number_marks import is_text
from hpogen.families.market.data.reading import Reading
from hpogen.families.market.data.table import Table


def find_columns(reading: Reading) -> bool:
    """Recognise dates, prices and volume by their names; return whether none is missing."""
    table, said = reading.table, reading.form["columns"]
    free = [name for name in table.names if name not in said.values()]
    found = find_names(
        table.names, said, lambda name: starts_with_date(table, name), reading.problems
    )
    others = [name for name in free if name not in found.values()]
    if "Close" not in found and (only := only_numbers(reading, others)):
        found["Close"] = only
        others.remove(only)
        reading.notes.append(f"{shown(only)}, the only column of numbers, is read as Close")
    reading.names = {**{name: name for name in others if name not in found}, **found}
    renamed = {here: there for here, there in found.items() if here != there}
    if renamed.get("Date", "").startswith("__index_level_"):
        renamed["Date"] = "index"  # its name in the script
    if new := [f"{n}: {shown(there)}" for n, there in renamed.items() if n not in said]:
        reading.notes.append(f"columns by well-known names: {', '.join(new)}")
    reading.form["columns"] = renamed
    if "price_columns" not in reading.said:
        reading.form["price_columns"] = [name for name in PRICES if name in reading.names]
    return not find_missing(reading)


def starts_with_date(table: Table, name: str) -> bool:
    """Return whether the first value of a column is a date."""
    return any(map(is_date, table.column(name)[:1]))


def only_numbers(reading: Reading, names: Sequence[str]) -> str | None:
    """Return the one column of numbers; None if there are several, or the task needs more."""
    if tuple(reading.needed) != ("Close",):
        return None
    columns = {name: reading.table.column(name) for name in names if not is_unnamed(name)}
    found = [name for name, column in columns.items() if not is_text(column)]
    return found[0] if len(found) == 1 else None


def find_missing(reading: Reading) -> list[str]:
    """Return the columns that are missing, and add them to the problems."""
    prices = reading.form["price_columns"]
    wanted = ["Date", *reading.needed, *prices]
    if "High" in prices or "Low" in prices:
        wanted += ["High", "Low"]
    has = {"Date", *prices} & reading.names.keys()
    missing = [name for name in ("Date", *PRICES) if name in wanted and name not in has]
    if not missing:
        return []
    there = shown(", ".join(map(shown, reading.table.names)), 200)
    fault = f"no column {', '.join(missing)}; it has {there}"
    if {"Date", "Close"} <= has:
        fault += "; without High and Low only direction can be predicted"
        reading.problems.add(fault, "task: direction", section="")
    else:
        reading.problems.add(fault)
        reading.problems.columns |= dict.fromkeys(missing, "...")
    return missing


def feature_columns(reading: Reading) -> list[str]:
    """Return the columns that the model may see: those of numbers, or those that were said."""
    order = reading.table.names.index
    names = sorted(reading.names, key=lambda name: order(reading.names[name]))
    numeric = [name for name in names if is_number_column(reading, name)]
    said = reading.said.get("feature_columns")
    return numeric if said is None else chosen(reading, said, numeric)


def is_number_column(reading: Reading, name: str) -> bool:
    """Return whether a column holds numbers; say of others that they are left out."""
    column = reading.cells(name)
    if name == "Date" or name in reading.form["price_columns"]:
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
    """Return the named columns, each given by its name in the script or in the file."""
    of_file = {in_file: name for name, in_file in reading.names.items()}
    columns = [name if name in reading.names else of_file.get(name, name) for name in names]
    for name in columns:
        if name in reading.names and name not in numeric:
            reading.problems.add(f"column {shown(name)} holds no numbers; leave it out")
        elif name not in numeric:
            hint = did_you_mean(name, numeric)
            reading.problems.add(f"column {shown(name)} is not in the file; {hint}")
    return [name for name in columns if name in numeric]
