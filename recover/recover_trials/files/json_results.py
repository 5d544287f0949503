"""JSON results: documents and JSON lines of studies, trials, rankings and best parameters."""

from __future__ import annotations

import json
import re
from typing import Any

from recover_trials.errors import UnreadableError
from recover_trials.files.dataframes import (
    grouped,
    is_dataframe_row,
    rounding_of,
    rows_of_dataframe,
)
from recover_trials.files.rankings import (
    is_ranking,
    is_scored,
    read_ranking,
    read_stage,
    refuse_unknown,
)
from recover_trials.files.result_entries import number_of
from recover_trials.files.result_study import ResultStudy, pop_study_fields, study_fields

BEGIN = re.compile(rb"\s*(?:\{\s*(?:\"|\}|\Z)|\[\s*[{\]]|\[\s*\Z)")
KEYS = re.compile(
    rb'"(?:trial_number|datetime_start|best_params|best_value|trials|params|rank|experiment|studies)"\s*:'
)
STAMPED = re.compile(rb"[\r\n]\[[A-Z] \d{4}-\d\d-\d\d ")
EMPTY = "the file is empty"
# The keys by which each kind of document is recognised.
ENTRY = ({"trial_number", "params"}, {"number", "params", "state"}, {"trial_number", "val_loss"})
BEST = {"best_params", "best_value"}


def is_json_results(head: bytes, name: str) -> bool:
    """Return whether a file begins as JSON results do. Raises UnreadableError if it is empty."""
    named = name.lower().endswith(".json")
    if named and not head.strip(b" \t\r\n\0"):
        raise UnreadableError(EMPTY)
    document = BEGIN.match(head) and (named or KEYS.search(head))
    return bool(document and not is_json_log(head))


def is_json_log(head: bytes) -> bool:
    """Return whether the first line is a JSON document without results, as in a log."""
    line, _, rest = head.partition(b"\n")
    if not rest.strip():
        return False
    try:
        return read_document(json.loads(line.decode("utf-8", "replace"))) is None
    except (ValueError, RecursionError):
        return False


def read_json(data: bytes) -> list[ResultStudy] | None:
    """Return the studies of a file; None for a log, also of JSON lines.

    Raises UnreadableError for an invalid document.
    """
    text = data.decode("utf-8", "replace")
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return read_json_lines(data)
        if STAMPED.search(data):  # a log whose first line is damaged
            return None
        raise UnreadableError(f"invalid or truncated JSON: {error}") from None
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"invalid JSON: {str(error)[:100]}") from None
    studies = read_document(document)
    if studies is None:
        refuse_unknown(document)
    elif any(study.excerpt for study in studies):
        studies = read_document(json.loads(text, object_pairs_hook=without_repeated_keys))
        if studies is None:
            raise UnreadableError("a key of the document occurs twice")
    return studies


def without_repeated_keys(items: list[tuple[str, Any]]) -> Any:
    """Return a mapping; its items if a key occurs twice, so that it is no entry of a ranking."""
    made = dict(items)
    return made if len(made) == len(items) else items


def read_json_lines(data: bytes) -> list[ResultStudy] | None:
    """Return the studies of JSON lines; None if the first line is not a trial."""
    entries: list[Any] = []
    for line in data.decode("utf-8", "replace").split("\n"):
        if line.strip():
            try:
                entries.append(json.loads(line))
            except (ValueError, RecursionError):
                entries.append(None)
    return read_records(entries)


def read_document(document: Any) -> list[ResultStudy] | None:
    """Return the studies of a JSON document; None if it holds no results."""
    rows = rows_of_dataframe(document)
    if rows is not None:
        study = ResultStudy(remarks=rounding_of(rows))
        study.add(map(grouped, rows))
        return [study]
    if isinstance(document, list):
        return read_json_list(document)
    if not isinstance(document, dict):
        return None
    if isinstance(document.get("studies"), list):
        return [study for item in document["studies"] for study in read_document(item) or []]
    if document.keys() >= BEST:
        return [read_best(document)]
    if isinstance(document.get("trials"), list):
        study = ResultStudy(study_fields(document))
        study.add(document["trials"])
        return [study]
    if is_entry(document):
        study = ResultStudy(study_fields(document) if "experiment" in document else {})
        study.add([document])
        return [study]
    stage = read_stage(document)
    return None if stage is None else [stage]


def read_records(entries: list[Any]) -> list[ResultStudy] | None:
    """Return the trials of entries, by study; None if the first is not a trial."""
    if is_dataframe_row(entries[0]):
        return read_document([entry for entry in entries if is_dataframe_row(entry)])
    if read_document(entries[0]) is None or "trials" in entries[0]:
        return None
    studies: dict[str, ResultStudy] = {}
    for entry in entries:
        name = str(entry.get("study", "")) if isinstance(entry, dict) else ""
        about = pop_study_fields(entry) if name else {}
        studies.setdefault(name, ResultStudy(about)).add([entry])
    return list(studies.values())


def read_json_list(entries: list[Any]) -> list[ResultStudy] | None:
    """Return the trials of a list: a history, or the best ones by rank."""
    has_trials = any(isinstance(entry, dict) and is_entry(entry) for entry in entries)
    if is_scored(entries) or (is_ranking(entries) and not has_trials):
        return [read_ranking(entries)]
    if not has_trials:
        return None
    study = ResultStudy()
    study.add(entries)
    return [study]


def is_entry(document: dict[str, Any]) -> bool:
    """Return whether a mapping has the keys of a trial."""
    return any(keys <= document.keys() for keys in ENTRY)


def read_best(document: dict[str, Any]) -> ResultStudy:
    """Return the best trial of a study, or its value if the file has no trial number."""
    study = ResultStudy(study_fields(document))
    try:
        value = None if document["best_value"] is None else number_of(document["best_value"])
    except ValueError as error:
        study.damaged.append(str(error))
        return study
    number = document.get("best_trial", document.get("best_trial_number"))
    if value is None:
        return study
    study.best = (None, value)
    if isinstance(number, int) and not isinstance(number, bool):
        study.best = (number, value)
        entry = {
            "trial_number": number,
            "state": "COMPLETE",
            "value": value,
            "params": document["best_params"],
            "architecture": document.get("architecture"),
            "user_attrs": document.get("best_user_attrs"),
        }
        study.add([entry])
    return study
