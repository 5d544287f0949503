"""Rows of trials, under Optuna's column names and as JSON."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from recover_trials.errors import UnknownColumnError
from recover_trials.model import SHARED_COLUMNS, Study, Trial
from recover_trials.recovery_report import Recovery

EXPERIMENT = re.compile(
    r"(?:hpo_|phase6a_)(?P<budget>\d+(?:\.\d+)?[KMB])(?:_h(?P<horizon>\d+))?(?:_(?P<task>[a-z]\w*))?"
)
DEEPEST = 50  # levels; ordinary parameters have two or three


def table_of(recovery: Recovery, *, without: str = "") -> tuple[list[str], list[list[Any]]]:
    """Return the columns of Optuna's `trials_dataframe` and a row per trial of all studies.

    The column `study` exists if there are several studies, a column of SHARED_COLUMNS if a study
    has it. The attribute `without` is left out.
    """
    trials = [(study, trial) for study in recovery.studies for trial in study.rows]
    several = len(recovery.studies) > 1
    n_values = max((len(trial.values) for _, trial in trials), default=0)
    single = n_values < 2 or any(len(trial.values) == 1 for _, trial in trials)
    values = [f"values_{index}" for index in range(n_values)] if n_values > 1 else []
    params: set[str] = set()
    attributes: set[str] = set()
    for _, trial in trials:
        params.update(trial.params)
        attributes.update(trial.user_attrs)
    names = sorted(params), sorted(attributes - {without})
    fields = {id(study): shared_fields(study) for study in recovery.studies}
    shared = [name for name in SHARED_COLUMNS if any(name in field for field in fields.values())]
    rows = []
    for study, trial in trials:
        row: list[Any] = [study.name, trial.number] if several else [trial.number]
        row += value_cells(trial, len(values), single=single)
        row += time_cells(trial)
        row += cells_of(trial.params, names[0])
        row += cells_of(trial.user_attrs, names[1])
        row += map(fields[id(study)].get, shared)
        row.append(trial.state)
        rows.append(row)
    columns = [
        *(["study"] if several else []),
        *("number", *(["value"] if single else []), *values),
        *("datetime_start", "datetime_complete", "duration"),
        *(f"params_{name}" for name in names[0]),
        *(f"user_attrs_{name}" for name in names[1]),
        *shared,
    ]
    return select_columns([*columns, "state"], rows, recovery.columns)


class NoneValue:
    """The value None of a parameter, which differs from an unknown value."""

    def __str__(self) -> str:
        return "None"


NONE = NoneValue()


def cells_of(values: Mapping[str, Any], names: list[str]) -> Iterable[Any]:
    """Return the values of the names: NONE for None, and None for an unknown value."""
    if None in values.values():
        values = {name: NONE if value is None else value for name, value in values.items()}
    return map(values.get, names)


def select_columns(
    columns: list[str], rows: list[list[Any]], names: list[str] | None
) -> tuple[list[str], list[list[Any]]]:
    """Return the named columns in their order. Raises UnknownColumnError."""
    if names is None:
        return columns, rows
    places = [columns.index(column_of(name, columns)) for name in names]
    return [columns[place] for place in places], [[row[place] for place in places] for row in rows]


def column_of(name: str, columns: list[str]) -> str:
    """Return the column of a name; `lr` is short for `params_lr`. Raises UnknownColumnError."""
    for column in (name, f"params_{name}", f"user_attrs_{name}"):
        if column in columns:
            return column
    short = {column.removeprefix("user_attrs_").removeprefix("params_") for column in columns}
    close = difflib.get_close_matches(name[:100], short, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise UnknownColumnError(f"no column {name}; {hint}the columns are {', '.join(columns)}")


def shared_fields(study: Study) -> dict[str, Any]:
    """Return the fields that all trials of a study share, also from the name of an experiment."""
    named = EXPERIMENT.fullmatch(str(study.experiment or study.about.get("name") or study.name))
    fields = {k: v for k, v in named.groupdict().items() if v is not None} if named else {}
    if "horizon" in fields:
        fields["horizon"] = int(fields["horizon"])
    return {**fields, **{k: study.about[k] for k in SHARED_COLUMNS if k in study.about}}


def value_cells(trial: Trial, n_values: int, *, single: bool) -> list[float | None]:
    """Return the cell of the single value, if that column exists, and of `n_values` values."""
    values = trial.values
    alone: list[float | None] = [trial.value if len(values) < 2 else None] if single else []
    if not n_values:
        return alone
    several = values if len(values) > 1 else ()
    return [*alone, *several, *[None] * (n_values - len(several))]


def time_cells(trial: Trial) -> tuple[Any, Any, Any]:
    """Return start, end and duration."""
    start, complete = trial.datetime_start, trial.datetime_complete
    return start, complete, complete - start if start and complete else None


def json_value(value: Any, depth: int = 0) -> Any:
    """Return a value in the types of strict JSON.

    NaN is null. Infinity, which a finished trial may have, is the text "inf" or "-inf", so that it
    differs from an unknown value. Times and values below DEEPEST levels are text.
    """
    if depth > DEEPEST:
        return text_of(value)
    if isinstance(value, dict):
        return {str(key): json_value(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


def text_of(value: Any) -> str:
    """Return the text of a value of any depth."""
    try:
        return str(value)
    except RecursionError:
        return "..."


def as_record(study: Study, trial: Trial) -> dict[str, Any]:
    """Return a trial under the keys of the script's own files."""
    record = {
        "study": study.name,
        **shared_fields(study),
        "trial_number": trial.number,
        "state": trial.state,
        "value": trial.value,
        "values": trial.values,
        "datetime_start": trial.datetime_start,
        "datetime_complete": trial.datetime_complete,
        "params": trial.params,
        "user_attrs": trial.user_attrs,
        "intermediate_values": trial.intermediate_values,
        "flags": trial.flags,
    }
    as_json: dict[str, Any] = json_value(record)
    return as_json
