"""SQL over the recovered trials, in an SQLite database in memory.

The table `trials` has the columns of the CSV, `study` always among them. The table `curves` has a
row per metric and step of a learning curve. An unknown value is NULL.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

from recover_trials.errors import QueryError
from recover_trials.output.csv_json import CURVE
from recover_trials.output.rows import NONE, json_value, table_of
from recover_trials.recovery_report import Recovery

LARGEST = 2**63 - 1
STEPS = ("step", "epoch")


def query(recovery: Recovery, statement: str) -> tuple[list[str], list[list[Any]]]:
    """Return the columns and rows of a SELECT. Raises QueryError."""
    with closing(sqlite3.connect(":memory:")) as database:
        try:
            fill(database, recovery)
            database.set_authorizer(authorize)
            cursor = database.execute(statement)
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            raise QueryError(f"--sql: {error}") from None
        if cursor.description is None:
            raise QueryError("--sql: the statement returns no table; give a SELECT")
        columns = [column[0] for column in cursor.description]
        return columns, [[NONE if value == "None" else value for value in row] for row in cursor]


def authorize(action: int, *_: str | None) -> int:
    """Deny ATTACH, which creates a file."""
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK


def fill(database: sqlite3.Connection, recovery: Recovery) -> None:
    """Create the tables `trials` and `curves`."""
    columns, rows = table_of(recovery, without=CURVE)
    if "study" not in columns:
        columns = ["study", *columns]
        rows = [[study.name, *row] for study in recovery.studies for row in rows]
    insert(database, "trials", columns, iter(rows))
    insert(
        database, "curves", ["study", "number", "step", "metric", "value"], curve_rows(recovery)
    )


def insert(
    database: sqlite3.Connection, table: str, columns: list[str], rows: Iterator[list[Any]]
) -> None:
    """Create a table; SQLite takes names that differ in upper and lower case as equal."""
    names: list[str] = []
    for column in columns:
        taken = {name.lower() for name in names}
        names.append(column if column.lower() not in taken else f"{column}_{len(names)}")
    quoted = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    database.execute(f"CREATE TABLE {table} ({quoted})")
    marks = ", ".join("?" * len(names))
    database.executemany(
        f"INSERT INTO {table} VALUES ({marks})",  # noqa: S608  # no text of a log
        ([stored(value) for value in row] for row in rows),
    )


def curve_rows(recovery: Recovery) -> Iterator[list[Any]]:
    """Yield the points of all learning curves, and the values reported to pruners."""
    for study in recovery.studies:
        for trial in study.rows:
            for step, value in trial.intermediate_values.items():
                yield [study.name, trial.number, step, "intermediate_value", value]
            curve = trial.user_attrs.get(CURVE)
            for point in curve if isinstance(curve, list) else ():
                for measure in measures_of(point):
                    yield [study.name, trial.number, *measure]


def measures_of(point: Any) -> Iterator[tuple[Any, str, Any]]:
    """Yield step, name and value of the metrics of a point."""
    if isinstance(point, dict):
        step = next((point[name] for name in STEPS if name in point), None)
        yield from ((step, name, value) for name, value in point.items() if name not in STEPS)


def stored(value: Any) -> Any:
    """Return a value in a type of SQLite; NaN is NULL, a duration is in seconds.

    None is the text `None`, and the text None has quotation marks, as in the CSV.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, int) and abs(value) > LARGEST:
        return str(value)
    if isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(json_value(value))
    text = repr(value) if value == "None" else str(value)
    return text.encode("utf-8", "backslashreplace").decode()
