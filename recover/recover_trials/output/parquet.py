"""Recovered trials as Parquet: the columns of the CSV with their types, and learning curves."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from recover_trials.errors import MissingPackageError
from recover_trials.output.rows import NONE, json_value, table_of
from recover_trials.recovery_report import Recovery

LARGEST = 2**63 - 1
EXACT = 2**53  # whole numbers up to here are floats without loss
JSON_TEXT = {"encoding": "json"}  # metadata of a column whose cells are JSON


def to_parquet(recovery: Recovery) -> bytes:
    """Return all studies as one Parquet file.

    A column of one type keeps it. A column that holds lists, mappings, several types or whole
    numbers beyond 64 bits holds JSON text, and its metadata say `encoding: json`.

    Raises MissingPackageError without pyarrow.
    """
    try:
        import pyarrow as pa  # type: ignore[import-untyped,unused-ignore]
        import pyarrow.parquet as pq  # type: ignore[import-untyped,unused-ignore]
    except ModuleNotFoundError:
        raise MissingPackageError(
            "--format parquet needs pyarrow; run: python -m pip install pyarrow"
        ) from None
    names, rows = table_of(recovery)
    fields, arrays = [], []
    for index, name in enumerate(names):
        kind, cells = column(name, [row[index] for row in rows])
        types = {
            "int": pa.int64(),
            "float": pa.float64(),
            "bool": pa.bool_(),
            "time": pa.timestamp("us"),
            "duration": pa.duration("us"),
        }
        stored = types.get(kind, pa.string())
        metadata = JSON_TEXT if kind == "json" else None
        fields.append(pa.field(encodable(name), stored, metadata=metadata))
        arrays.append(pa.array(cells, stored))
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(arrays, schema=pa.schema(fields)), sink)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def column(name: str, cells: list[Any]) -> tuple[str, list[Any]]:
    """Return the type of a column and its cells in that type."""
    present = [cell for cell in cells if cell is not None]
    if NONE in present:
        plain = [None if cell is NONE else cell for cell in present]
        texts = iter([json.dumps(json_value(cell)) for cell in plain])
        return "json", [cell if cell is None else next(texts) for cell in cells]
    kinds = {type(cell) for cell in present}
    if not kinds:
        return empty_kind(name), cells
    if kinds == {int} and all(-LARGEST <= cell <= LARGEST for cell in present):
        return ("float", as_floats(cells)) if is_value(name) else ("int", cells)
    if kinds <= {int, float} and all(
        isinstance(cell, float) or abs(cell) <= EXACT for cell in present
    ):
        return "float", as_floats(cells)
    alike = {bool: "bool", datetime: "time", timedelta: "duration"}
    if len(kinds) == 1 and (kind := alike.get(kinds.pop())):
        return kind, cells
    if all(isinstance(cell, str) for cell in present):
        return "text", [cell if cell is None else encodable(cell) for cell in cells]
    return "json", [cell if cell is None else json.dumps(json_value(cell)) for cell in cells]


def empty_kind(name: str) -> str:
    """Return the type of a column without a value."""
    times = {"datetime_start": "time", "datetime_complete": "time", "duration": "duration"}
    return "float" if is_value(name) else times.get(name, "text")


def is_value(name: str) -> bool:
    """Return whether a column holds objective values, which are floats."""
    return name == "value" or name.startswith("values_")


def as_floats(cells: list[Any]) -> list[float | None]:
    return [None if cell is None else float(cell) for cell in cells]


def encodable(text: str) -> str:
    """Return text in which a lone surrogate is an escape, as in the CSV."""
    return text.encode("utf-8", "backslashreplace").decode()
