"""Matching of a line with the trials of a study: duplicates, conflicts, and the best trial.

A duplicate is equal to an earlier line about the trial, a conflict differs from it. If several
processes write into one file, the best trial that a line names shows the study of the line.
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


def may_belong(study: Study, result: Result, number: int) -> bool:
    return is_unended(study, number) and names_best_of(study, result, number) is not False


def names_best_of(study: Study, result: Result, number: int) -> bool | None:
    """Return whether the best trial that a line names is one of a study; None if unknown."""
    if not is_unended(study, number):
        return False
    if result.best is None or not study.trials:
        return None
    best, value = result.best
    if best is None:
        return value in study.named_bests.values() or None
    if best == number:
        return None
    if best in study.named_bests:
        return study.named_bests[best] == value
    return any(t.value == value for t in study.trials[best]) if best in study.trials else None


def last_best(study: Study) -> int | None:
    """Return the number of the best trial in the last line that names one."""
    return next(reversed(study.named_bests), None)


def became_best(
    study: Study, number: int, value: float | None, best: tuple[int | None, float] | None
) -> bool:
    """Return whether a trial became the best one, so that its line shows its own parameters.

    Lines of old versions show the parameters of the best trial. The value of the trial must be the
    best one, and no earlier trial may have it.
    """
    if best is None or value is None or value != best[1]:
        return False
    last = last_best(study)
    if last is None:
        return number == 0 and len(study.trials) == 1
    return study.named_bests[last] != value


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


def add_named_best(study: Study, number: int, value: float, best: int, best_value: float) -> None:
    """Add the best trial that an end line names, and the direction that follows from it."""
    if value != best_value and best == number:
        study.named_bests[best] = best_value  # the line conflicts with itself
        return
    if value != best_value:
        lower_is_better = value > best_value
    else:
        last = last_best(study)
        before = best_value if last is None else study.named_bests[last]
        if best != number or before == best_value:
            study.named_bests[best] = best_value
            return
        lower_is_better = best_value < before
    study.lower_is_better |= lower_is_better
    study.higher_is_better |= not lower_is_better
    study.named_bests.pop(best, None)
    study.named_bests[best] = best_value
