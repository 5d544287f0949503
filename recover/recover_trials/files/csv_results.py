"""Files of results, known by their content: JSON documents and CSV tables."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from recover_trials.errors import UnreadableError
from recover_trials.files.json_results import Imported, read_document, read_records, take_about
from recover_trials.files.result_entries import cell_value
from recover_trials.optuna_log.literals import parse_mapping
from recover_trials.patterns import pattern

DOCUMENT = pattern(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*(?:\"|\}|\Z)|\[\s*[{\]]|\[\s*\Z)")
KEYS = pattern(
    rb'"(?:trial_number|best_params|best_value|trials|params|rank|experiment|studies)"\s*:'
)
TABLE = pattern(
    rb'(?:\xef\xbb\xbf)?(?:"?\w*"?,)?"?(?:number"?,"?(?:value|values_0|datetime_start|state)\b'
    rb'|trial"?,"?auc\b)'
)
EMPTY = "an empty file"


def may_be_results(head: bytes, name: str) -> bool:
    """Tell whether a file begins as a file of results does, or is named as a document.

    Raises UnreadableError for a document in which nothing is.
    """
    named = name.lower().endswith(".json")
    if named and not head.strip(b"\xef\xbb\xbf \t\r\n\0"):
        raise UnreadableError(EMPTY)
    document = DOCUMENT.match(head) and (named or KEYS.search(head))
    return bool(document and may_be_whole(head)) or is_table(head)


def may_be_whole(head: bytes) -> bool:
    """Tell whether the first line is no document of its own, or a trial: else it is a log."""
    line, _, rest = head.partition(b"\n")
    if not rest.strip():
        return True
    try:
        return read_document(json.loads(line.decode("utf-8-sig", "replace"))) is not None
    except (ValueError, RecursionError):
        return True


def is_table(head: bytes) -> bool:
    """Tell whether a file begins as a table of trials does."""
    return TABLE.match(head) is not None


def read_json(data: bytes) -> list[Imported] | None:
    """Return what a file tells; None if it is no JSON of results, but may be a log of JSON lines.

    Raises UnreadableError for a document that is torn.
    """
    try:
        found = json.loads(data.decode("utf-8-sig", "replace"))
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return read_json_lines(data)
        raise UnreadableError(f"JSON that is not whole: {error}") from None
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"JSON that cannot be read: {str(error)[:100]}") from None
    return read_document(found)


def read_json_lines(data: bytes) -> list[Imported] | None:
    """Return the trials of JSON lines; a line that is none is counted."""
    entries: list[Any] = []
    for line in data.decode("utf-8-sig", "replace").split("\n"):
        if line.strip():
            try:
                entries.append(json.loads(line))
            except (ValueError, RecursionError):
                entries.append(None)
    return read_records(entries)


def read_table(data: bytes) -> list[Imported]:
    """Return the trials of a CSV, by study. Raises UnreadableError if it is no CSV."""
    text = data.decode("utf-8-sig", "replace")
    try:
        head, *rows = csv.reader(io.StringIO(text, newline=""))
    except (csv.Error, ValueError) as error:
        raise UnreadableError(f"a CSV that cannot be read: {error}") from None
    studies: dict[str, Imported] = {}
    cut = bool(rows) and not text.endswith(("\n", "\r"))
    for place, row in enumerate(rows):
        if not row:
            continue
        entry = {name: cell for name, cell in zip(head, row, strict=False) if cell}
        study = entry.get("study", "")
        known = entry_of(entry)
        told = studies.setdefault(study, Imported(take_about(known)))
        if len(row) != len(head) or (cut and row is rows[-1] and entry.get("state") is None):
            told.damaged.append(f"row {place + 1}: {len(row)} of {len(head)} cells")
        else:
            told.take([known])
    return list(studies.values())


def entry_of(cells: dict[str, str]) -> dict[str, Any]:
    """Return the entry of a row: columns of a mapping under their prefix, as Optuna names them."""
    entry: dict[str, Any] = {"params": {}, "user_attrs": {}}
    values: list[Any] = []
    for name, cell in cells.items():
        value = cell if name in ("state", "study") else cell_value(cell)
        kind = next((k for k in ("params", "user_attrs") if name.startswith(f"{k}_")), None)
        if kind:
            entry[kind][name.removeprefix(f"{kind}_")] = value
        elif name.startswith("values_"):
            values.append(value)
        elif name == "params":
            entry["params"] = value if isinstance(value, dict) else parse_mapping(cell)
        elif name:  # pandas' own index has none
            entry[name] = value
    return {**entry, "values": values} if values else entry
