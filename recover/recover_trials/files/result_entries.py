"""Entries of files of results: one trial each, under the field names of several programs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from recover_trials.model import Trial
from recover_trials.optuna_log.assignments import parse_value

NUMBER = ("trial_number", "number", "trial", "best_trial_number")
VALUE = ("value", "val_loss", "auc", "f1_macro")
START, COMPLETE = ("datetime_start", "start_time", "started_at"), ("datetime_complete", "end_time")
STRUCTURE = {
    *(*NUMBER, *START, *COMPLETE),
    *("value", "values", "val_loss", "state", "params", "architecture", "user_attrs", "flags"),
    *("duration", "study", "intermediate_values", "system_attrs", "rank"),
}
LONG_NAMES = {"lr": "learning_rate"}
STATES = ("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING")  # in the order of Optuna's numbers
INFINITE = {"inf": math.inf, "-inf": -math.inf, "Infinity": math.inf, "-Infinity": -math.inf}
LARGEST_NUMBER = 10**9
UNITS = (1, 10**3, 10**6, 10**9)  # of a second, in which pandas counts times
LATEST = 10**11  # seconds
DIGITS = re.compile(r"[+-]?\d{1,4000}|[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.IGNORECASE)
BRACKETS = ("{", "[", "(", "'", '"')


def trial_of(entry: Any, *, number: int | None = None) -> Trial | None:
    """Return the trial of an entry; None for a waiting one.

    `number` is the trial number, for files without numbers. Raises ValueError for an invalid
    entry.
    """
    if not isinstance(entry, dict):
        raise ValueError("the entry is not a mapping")
    trial_number = whole_number(first(entry, NUMBER) if number is None else number)
    values = values_of(entry)
    state = state_of(entry, values)
    if state == "WAITING":
        return None
    trial = Trial(trial_number, state, () if state == "RUNNING" else values)
    trial.datetime_start, trial.datetime_complete = (
        entry_time(entry, START),
        entry_time(entry, COMPLETE),
    )
    trial.params = dict(mapping(entry.get("params")))
    trial.user_attrs = attributes_of(entry, trial)
    curve = mapping(entry.get("intermediate_values"))
    trial.intermediate_values = {
        int(step): number_of(value) for step, value in curve.items() if value is not None
    }
    trial.flags = [flag for flag in listed(entry.get("flags")) if isinstance(flag, str)]
    return trial


def first(entry: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """Return the value of the first name that an entry has; None if it has none."""
    return next((entry[name] for name in names if entry.get(name) is not None), None)


def whole_number(value: Any) -> int:
    """Return the number of a trial. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < LARGEST_NUMBER:
        raise ValueError(f"invalid trial number: {str(value)[:40]!r}")
    return value


def number_of(value: Any) -> float:
    """Return an objective value. Raises ValueError if it is not a number."""
    if isinstance(value, str) and value in INFINITE:
        return INFINITE[value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"invalid value: {str(value)[:40]!r}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError("the value exceeds the range of floats") from None


def values_of(entry: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the objective values without nulls and NaN. Raises ValueError."""
    listing = entry.get("values")
    several = isinstance(listing, list) and len(listing) > 1
    items = (listing or []) if several else [first(entry, VALUE)]
    values = tuple(number_of(value) for value in items if value is not None)
    return tuple(value for value in values if not math.isnan(value))


def state_of(entry: Mapping[str, Any], values: tuple[float, ...]) -> str:
    """Return the state; files without states list finished trials. Raises ValueError."""
    logged = entry.get("state")
    if logged is None:
        return "COMPLETE" if values else "RUNNING"
    state = str(logged).removeprefix("TrialState.")
    if len(state) == 1 and state in "01234":
        return STATES[int(state)]
    if state not in STATES:
        raise ValueError(f"invalid state: {state[:40]!r}")
    return state


def entry_time(entry: Mapping[str, Any], names: tuple[str, ...]) -> datetime | None:
    """Return a time as Optuna has it: local, without a zone. Raises ValueError."""
    text = first(entry, names)
    if text is None:
        return None
    if isinstance(text, int):  # pandas takes a local time for UTC
        unit = next((unit for unit in UNITS if text < LATEST * unit), UNITS[-1])
        return datetime.fromisoformat("1970-01-01") + timedelta(microseconds=text * 10**6 // unit)
    time = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    return time.astimezone().replace(tzinfo=None) if time.tzinfo else time


def attributes_of(entry: Mapping[str, Any], trial: Trial) -> dict[str, Any]:
    """Return the fields of an entry that are neither parameters nor in STRUCTURE."""
    attributes = dict(mapping(entry.get("user_attrs")))
    others = {LONG_NAMES.get(name, name): v for name, v in entry.items() if name not in STRUCTURE}
    for name, value in [*mapping(entry.get("architecture")).items(), *others.items()]:
        if value is not None and name not in trial.params:
            attributes.setdefault(name, value)
    return attributes


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping, an empty one for None. Raises ValueError for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("a field is not a mapping")
    return value


def listed(value: Any) -> list[Any]:
    """Return a list, an empty one for anything else."""
    return value if isinstance(value, list) else []


def cell_value(text: str) -> Any:
    """Return the value of a CSV cell; text that is not a Python literal is returned unchanged."""
    words = {"True": True, "False": False, "None": None, "nan": math.nan, **INFINITE}
    if text in words:
        return words[text]
    if DIGITS.fullmatch(text) or text.startswith(BRACKETS):
        return parse_value(text)
    return text
