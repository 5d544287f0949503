"""CSV results: tables with a row per trial."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

from recover_trials.errors import UnreadableError
from recover_trials.files.dataframes import GROUPS
from recover_trials.files.rankings import read_ranking
from recover_trials.files.result_entries import cell_value
from recover_trials.files.result_study import ResultStudy, pop_study_fields
from recover_trials.optuna_log.literals import parse_mapping

HEADER = re.compile(
    rb'(?:"?\w*"?[,;\t])?"?'
    rb'(?:number"?(?P<separator>[,;\t])"?(?:value|values|values_0|datetime_start|state)\b'
    rb'|trial"?,"?auc\b)'
)
RANKING = re.compile(rb'"?rank"?,"?f1_macro\b')

TWO_LEVELS = (*GROUPS, "values")  # columns of the dataframe that a second row may name
MISSING = ("NaN", "NaT", "<NA>")  # as pandas prints unknown values
DECIMAL_COMMA = re.compile(r"\A([+-]?\d+),(\d+(?:[eE][+-]?\d+)?)\Z")


def is_csv_results(head: bytes) -> bool:
    return HEADER.match(head) is not None or RANKING.match(head) is not None


def read_csv(data: bytes) -> list[ResultStudy]:
    """Return the trials of a CSV, by study. Raises UnreadableError for an invalid CSV."""
    text = data.decode("utf-8", "replace")
    match = HEADER.match(data)
    separator = ((match and match["separator"]) or b",").decode()
    try:
        header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    except (csv.Error, ValueError) as error:
        raise UnreadableError(f"invalid CSV: {error}") from None
    if rows and is_second_level(header, rows[0]):
        names = zip(header, rows.pop(0), strict=False)
        header = [f"{name}_{inner}" if inner else name for name, inner in names]
    if separator == ";" and has_decimal_commas(header, rows):
        rows = [[DECIMAL_COMMA.sub(r"\1.\2", cell) for cell in row] for row in rows]
    cut = bool(rows) and not text.endswith(("\n", "\r"))
    if RANKING.match(data):
        return [read_ranking([*ranked_entries(header, rows[: len(rows) - cut]), *[None] * cut])]
    studies: dict[str, ResultStudy] = {}
    for place, row in enumerate(rows):
        if not row:
            continue
        cells = {
            name: cell
            for name, cell in zip(header, row, strict=False)
            if cell and cell not in MISSING
        }
        entry = entry_of(cells)
        study = studies.setdefault(cells.get("study", ""), ResultStudy(pop_study_fields(entry)))
        if len(row) != len(header) or (cut and row is rows[-1] and cells.get("state") is None):
            study.damaged.append(f"row {place + 1}: {len(row)} of {len(header)} cells")
        else:
            study.add([entry])
    return list(studies.values())


def is_second_level(header: list[str], row: list[str]) -> bool:
    """Return whether a row holds the second level of the columns, as `multi_index` writes it."""
    named = [name for name, cell in zip(header, row, strict=False) if cell]
    return bool(row) and all(name in TWO_LEVELS for name in named)


def ranked_entries(header: list[str], rows: list[list[str]]) -> Iterator[Any]:
    """Yield the entries of a ranking; None for a row with another number of cells."""
    for row in filter(None, rows):
        cells = {name: cell for name, cell in zip(header, row, strict=False) if cell}
        yield entry_of(cells) if len(row) == len(header) else None


def has_decimal_commas(header: list[str], rows: list[list[str]]) -> bool:
    """Return whether the values of a table have decimal commas."""
    place = next((i for i, name in enumerate(header) if name in ("value", "values_0")), None)
    cells = [row[place] for row in rows if place is not None and len(row) > place]
    return any(map(DECIMAL_COMMA.fullmatch, cells)) and not any("." in cell for cell in cells)


def entry_of(cells: dict[str, str]) -> dict[str, Any]:
    """Return the entry of a row; `params_x` is item x of `params`, as in Optuna's dataframe."""
    entry: dict[str, Any] = {"params": {}, "user_attrs": {}}
    values: list[Any] = []
    for name, cell in cells.items():
        value = cell if name in ("state", "study") else cell_value(cell)
        prefixes = ("params", "user_attrs")
        kind = next((k for k in prefixes if name.startswith(f"{k}_") and name != f"{k}_"), None)
        if kind:
            entry[kind][name.removeprefix(f"{kind}_")] = value
        elif name.startswith("values_"):
            values.append(value)
        elif name == "params":
            entry["params"] = value if isinstance(value, dict) else parse_mapping(cell)
        elif name and name not in (
            "params_",
            "user_attrs_",
        ):  # the index column of pandas has no name
            entry[name] = value
    return {**entry, "values": values} if values else entry
