"""Trials as rows: under Optuna's column names, and as JSON has them."""

from __future__ import annotations

import math
from typing import Any

from recover_trials.model import Study, Trial
from recover_trials.recovery import Recovery

DEEPEST = 50  # levels; others nest parameters two or three deep


def dataframe_row(trial: Trial) -> dict[str, Any]:
    """Return a trial under the column names of Optuna's `trials_dataframe`."""
    row: dict[str, Any] = {"number": trial.number}
    if len(trial.values) > 1:
        row |= {f"values_{index}": value for index, value in enumerate(trial.values)}
    else:
        row["value"] = trial.value
    start, complete = trial.datetime_start, trial.datetime_complete
    row |= {
        "datetime_start": start,
        "datetime_complete": complete,
        "duration": complete - start if start and complete else None,
    }
    row |= {f"params_{name}": value for name, value in sorted(trial.params.items())}
    row |= {f"user_attrs_{name}": value for name, value in sorted(trial.user_attrs.items())}
    return {**row, "state": trial.state}


def table_of(recovery: Recovery) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the columns of Optuna's dataframe and a row per trial of all studies.

    The column `study` is there when there are several.
    """
    several = len(recovery.studies) > 1
    rows = []
    for study in recovery.studies:
        for trial in study.rows:
            row = dataframe_row(trial)
            rows.append({"study": study.name, **row} if several else row)
    names = {name for row in rows for name in row}
    n_values = max((len(trial.values) for s in recovery.studies for trial in s.rows), default=0)
    values = ["value", *(f"values_{index}" for index in range(n_values))]
    order = ["study", "number", *values, "datetime_start", "datetime_complete", "duration"]
    rest = sorted(names - {*order, "state"})
    if n_values > 1 and all(row.get("value") is None for row in rows):
        names.discard("value")
    return [*(name for name in order if name in names), *rest, "state"], rows


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value as strict JSON has it.

    NaN is null; infinity, which a finished trial may have, is the text "inf" or "-inf", so that
    it is not taken for an unknown value. Times are text, and so is what is nested beyond all use.
    """
    if depth > DEEPEST:
        return text_of(value)
    if isinstance(value, dict):
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


def text_of(value: Any) -> str:
    """Return the text of a value, however deep it is."""
    try:
        return str(value)
    except RecursionError:
        return "..."


def record(study: Study, trial: Trial) -> dict[str, Any]:
    """Return everything that is known of a trial, in the keys of the script's own files."""
    found = {
        "study": study.name,
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
    clean: dict[str, Any] = plain(found)
    return clean
