"""One trial as a file of results tells it, under whichever names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from recover_trials.model import Trial
from recover_trials.optuna_log.assignments import parse_value
from recover_trials.patterns import pattern

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
DIGITS = pattern(r"[+-]?\d{1,4000}|[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.IGNORECASE)
BRACKETS = ("{", "[", "(", "'", '"')


def trial_of(entry: Any, *, number: int | None = None) -> Trial | None:
    """Return the trial of an entry; None for one that waits to be started.

    `number` is for files that tell none. Raises ValueError for what is no trial.
    """
    if not isinstance(entry, dict):
        raise ValueError("an entry is no mapping")
    found = whole_number(first(entry, NUMBER) if number is None else number)
    values = values_of(entry)
    state = state_of(entry, values)
    if state == "WAITING":
        return None
    trial = Trial(found, state, () if state == "RUNNING" else values)
    trial.datetime_start, trial.datetime_complete = time_of(entry, START), time_of(entry, COMPLETE)
    trial.params = dict(mapping(entry.get("params")))
    trial.user_attrs = attributes_of(entry, trial)
    curve = mapping(entry.get("intermediate_values"))
    trial.intermediate_values = {
        int(step): number_of(value) for step, value in curve.items() if value is not None
    }
    trial.flags = [flag for flag in listed(entry.get("flags")) if isinstance(flag, str)]
    return trial


def first(entry: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """Return what stands under the first of some names that is there."""
    return next((entry[name] for name in names if entry.get(name) is not None), None)


def whole_number(found: Any) -> int:
    """Return the number of a trial. Raises ValueError."""
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < LARGEST_NUMBER:
        raise ValueError(f"no trial number: {str(found)[:40]!r}")
    return found


def number_of(found: Any) -> float:
    """Return a value. Raises ValueError for what is no number."""
    if isinstance(found, str) and found in INFINITE:
        return INFINITE[found]
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise ValueError(f"no value: {str(found)[:40]!r}")
    try:
        return float(found)
    except OverflowError:
        raise ValueError("a value beyond all floats") from None


def values_of(entry: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the values that are told; null is none. Raises ValueError."""
    told = entry.get("values")
    several = told if isinstance(told, list) and len(told) > 1 else [first(entry, VALUE)]
    values = tuple(number_of(value) for value in several if value is not None)
    return tuple(value for value in values if not math.isnan(value))


def state_of(entry: Mapping[str, Any], values: tuple[float, ...]) -> str:
    """Return the state. Files that tell none list finished trials. Raises ValueError."""
    told = entry.get("state")
    if told is None:
        return "COMPLETE" if values else "RUNNING"
    state = str(told).removeprefix("TrialState.")
    if len(state) == 1 and state in "01234":
        return STATES[int(state)]
    if state not in STATES:
        raise ValueError(f"no state: {state[:40]!r}")
    return state


def time_of(entry: Mapping[str, Any], names: tuple[str, ...]) -> datetime | None:
    """Return a time as the study has it: local, without a zone. Raises ValueError."""
    told = first(entry, names)
    if told is None:
        return None
    time = datetime.fromisoformat(str(told).replace("Z", "+00:00"))
    return time.astimezone().replace(tzinfo=None) if time.tzinfo else time


def attributes_of(entry: Mapping[str, Any], trial: Trial) -> dict[str, Any]:
    """Return everything else that is told of a trial."""
    found = dict(mapping(entry.get("user_attrs")))
    others = {LONG_NAMES.get(name, name): v for name, v in entry.items() if name not in STRUCTURE}
    for name, value in [*mapping(entry.get("architecture")).items(), *others.items()]:
        if value is not None and name not in trial.params:
            found.setdefault(name, value)
    return found


def mapping(value: Any) -> Mapping[str, Any]:
    """Return a mapping, an empty one for what is not told. Raises ValueError for anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("no mapping where one must be")
    return value


def listed(value: Any) -> list[Any]:
    """Return a list, an empty one for anything else."""
    return value if isinstance(value, list) else []


def cell_value(text: str) -> Any:
    """Return what a cell of a CSV holds; text that is no Python literal stays text."""
    text_known = {"True": True, "False": False, "None": None, "nan": math.nan, **INFINITE}
    if text in text_known:
        return text_known[text]
    if DIGITS.fullmatch(text) or text.startswith(BRACKETS):
        return parse_value(text)
    return text
