"""Tables of trials: Optuna's dataframe in JSON, and what `optuna trials` prints."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

from recover_trials.errors import UnreadableError
from recover_trials.files.result_entries import cell_value
from recover_trials.files.result_study import ResultStudy
from recover_trials.model import FIELDS_DIFFER

GROUPS = ("params", "user_attrs", "system_attrs", "intermediate_values")
YAML = re.compile(rb"- (?:datetime_complete|datetime_start|duration|number|params\w*):")
RULE = re.compile(rb"\+(?:-+\+)+\s*\n\|\s*number\s*\|")
# A warning, which `optuna trials` prints before a table.
WARNING = re.compile(rb"[^\n]*Warning: [^\n]*\n(?:  [^\n]*\n)?")
TABLE = re.compile(rb"\+-|- |\[\{")
PRECISIONS = (10, 15)  # decimals of pandas in JSON: its default and the most
ROUNDED = "pandas rounded the numbers to {0} decimals: small ones lost digits; CSV has them all"
COLUMNS = {"number", "state"}  # every dataframe of trials has them


def without_warnings(head: bytes) -> bytes:
    """Return the beginning of a file without the warnings before a table."""
    end = 0
    while warning := WARNING.match(head, end):
        end = warning.end()
    return head[end:] if TABLE.match(head, end) else head


def rounding_of(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Return a remark if the most decimals of a dataframe are those to which pandas rounds."""
    numbers = [value for row in rows for value in row.values() if type(value) is float]
    return [
        ROUNDED.format(most)
        for most in PRECISIONS
        if all(round(n, most) == n for n in numbers)
        and any(round(n, most - 1) != n for n in numbers)
    ]


def is_printed_table(head: bytes) -> bool:
    """Return whether a file begins as a table or YAML of `optuna trials`."""
    return RULE.match(head) is not None or YAML.match(head) is not None


def read_printed_table(data: bytes) -> list[ResultStudy]:
    """Return the trials of a table or YAML."""
    text = data.decode("utf-8", "replace")
    if RULE.match(data):
        return [study_of(table_entries(text))]
    rows = [*yaml_rows(text)]
    study = study_of(map(grouped, rows))
    flag_displaced(study, rows)
    return [study]


def yaml_rows(text: str) -> Iterator[dict[str, Any]]:
    """Yield the items of a YAML list; a damaged one is empty and costs no other."""
    from recover_trials.files.unique_keys import load_yaml

    for item in re.split(r"^(?=- )", text, flags=re.MULTILINE):
        try:
            rows = load_yaml(item)
        except UnreadableError:
            rows = None
        if isinstance(rows, list) and len(rows) == 1 and is_mapping(rows[0]):
            yield rows[0]
        elif item.strip():
            yield {}


def flag_displaced(study: ResultStudy, rows: list[dict[str, Any]]) -> None:
    """Flag trials whose fields are not those of the other trials, in Optuna's sorted order."""
    usual = Counter(tuple(row) for row in rows if row).most_common(1)
    numbers = [row.get("number") for row in rows if usual and tuple(row) == usual[0][0]]
    whole = {number for number in numbers if isinstance(number, int)}
    for trial in study.trials:
        trial.flags += [FIELDS_DIFFER] * (trial.number not in whole)


def is_mapping(row: object) -> bool:
    return isinstance(row, dict)


def study_of(entries: Any) -> ResultStudy:
    study = ResultStudy()
    study.add(entries)
    return study


def table_entries(text: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table whose columns a rule of `+` and `-` separates."""
    lines = text.splitlines()
    edges = [index for index, sign in enumerate(lines[0]) if sign == "+"]
    names: list[str] = []
    for line in lines:
        if not line.startswith("|"):
            continue
        cells = [line[a + 1 : b].strip() for a, b in pairwise(edges)]
        if not names:
            names = cells
            continue
        is_whole = len(line.rstrip()) == edges[-1] + 1
        filled = {name: cell_value(cell) for name, cell in zip(names, cells, strict=True) if cell}
        yield grouped(filled) if is_whole else {}


def grouped(row: dict[str, Any]) -> dict[str, Any]:
    """Return the entry of a row; the column `params_x` is item x of `params`."""
    entry: dict[str, Any] = {}
    values: list[Any] = []
    for name, value in row.items():
        group = next((g for g in GROUPS if str(name).startswith(f"{g}_")), None)
        if group and value is not None:
            entry.setdefault(group, {})[str(name).removeprefix(f"{group}_")] = value
        elif not group and str(name).startswith("values_"):
            values.append(value)
        elif not group and name != "":  # the index column of pandas has no name
            entry[str(name)] = value
    return {**entry, "values": values} if values else entry


def is_dataframe_row(row: Any) -> bool:
    """Return whether a mapping has the columns of a dataframe of trials, without groups."""
    has_columns = isinstance(row, dict) and row.keys() >= COLUMNS and "params" not in row
    return has_columns and not isinstance(row["number"], dict)


def rows_of_dataframe(document: Any) -> list[dict[str, Any]] | None:
    """Return the rows of a dataframe in any of the forms of pandas; None for other documents."""
    if isinstance(document, list) or is_dataframe_row(document):
        rows = document if isinstance(document, list) else [document]
    elif not isinstance(document, dict) or not document:
        return None
    elif isinstance(document.get("data"), list) and isinstance(document.get("columns"), list):
        columns = document["columns"]
        rows = [dict(zip(columns, cells, strict=False)) for cells in document["data"]]
    elif isinstance(document.get("data"), list) and "schema" in document:
        rows = [
            {k: v for k, v in row.items() if k != "index"}
            for row in document["data"]
            if is_mapping(row)
        ]
    elif document.keys() >= COLUMNS and all(map(is_mapping, document.values())):
        names = document["number"]
        rows = [{name: cells.get(key) for name, cells in document.items()} for key in names]
    else:
        rows = list(document.values())
    return rows if rows and all(map(is_dataframe_row, rows)) else None
