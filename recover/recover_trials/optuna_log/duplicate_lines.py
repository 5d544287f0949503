"""Lines about one trial of a study: duplicates and conflicts.

A duplicate is equal to an earlier line about the trial, a conflict differs from it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from recover_trials.legacy.start_lines import Start
from recover_trials.model import FORCED, Study, Trial, compatible
from recover_trials.optuna_log.optuna_lines import Result

SOON = timedelta(seconds=1)


def is_duplicate_start(trial: Trial, start: Start) -> bool:
    config = {**trial.params, **trial.user_attrs}
    same_time = trial.datetime_start == start.time and start.time is not None
    if trial.state != "RUNNING":  # its end line has replaced the rounded parameters
        return same_time
    logged = {**(start.params or {}), **start.user_attrs}
    same_values = all(config.get(name) == value for name, value in logged.items())
    return (same_time or start.time is None) and same_values


def has_duplicate(study: Study, result: Result, number: int) -> bool:
    return any(is_duplicate_end(trial, result) for trial in study.trials.get(number, ()))


def is_duplicate_end(trial: Trial, result: Result) -> bool:
    if trial.state == result.state == "FAIL" and is_second_line(result):
        return True
    if trial.state != result.state or trial.values != result.values:
        return False
    if not compatible(trial.datetime_complete, result.time):
        return False
    if result.params is None or result.shows_best:
        return result.time is not None or not trial.params
    params = {name: trial.params.get(name) for name in result.params}
    if FORCED in trial.flags and "dropout" in params:
        params["dropout"] = trial.user_attrs.get("sampled_dropout")
    return repr(params) == repr(result.params)


def is_second_line(result: Result) -> bool:
    """Return whether a line may be the second of the two that Optuna logs for a failure."""
    return result.state == "FAIL" and result.params is None and result.error is None


def closes_failure(study: Study, result: Result, number: int) -> bool:
    """Return whether a line is the second one of a failure, logged directly after the first."""
    if not is_second_line(result):
        return False
    failed = [trial for trial in study.trials.get(number, ()) if trial.state == "FAIL"]
    times = [trial.datetime_complete for trial in failed]
    return any(time and result.time and result.time - time < SOON for time in times)


def is_unended(study: Study, number: int) -> bool:
    """Return whether a number has no trial, or its trial has no end line."""
    rows = study.trials.get(number)
    return not rows or rows[-1].state == "RUNNING"


def set_exact_params(trial: Trial, params: dict[str, Any]) -> None:
    """Replace the rounded parameters of a start line by the exact ones of the end line.

    A forced dropout remains: the trial was trained with it, while the study has another value.
    """
    trial.params = {**trial.params, **params}
    forced = trial.user_attrs.get("forced_dropout")
    if forced is not None and trial.params.get("dropout") != forced:
        trial.user_attrs["sampled_dropout"] = trial.params.get("dropout")
        trial.params["dropout"] = forced
        trial.flags.append(FORCED)
