"""What lines prove: which trial is told again, of which study it can be, what is the best."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from recover_trials.legacy.start_lines import Start
from recover_trials.model import FORCED, Study, Trial, agree
from recover_trials.optuna_log.optuna_lines import Result

SOON = timedelta(seconds=1)


def same_start(trial: Trial, said: Start) -> bool:
    """Tell whether a start is told again."""
    known = {**trial.params, **trial.user_attrs}
    same = trial.datetime_start == said.time and said.time is not None
    told = {**(said.params or {}), **said.user_attrs}
    if trial.state != "RUNNING":  # its end line has said more exactly
        return same
    return (same or said.time is None) and all(known.get(k) == v for k, v in told.items())


def told_before(study: Study, said: Result, number: int) -> bool:
    """Tell whether a study has this very end already."""
    return any(repeats(trial, said) for trial in study.trials.get(number, ()))


def closes_failure(study: Study, said: Result, number: int) -> bool:
    """Tell whether an end is the second line of a failure, told right behind the first."""
    if said.state != "FAIL" or said.params is not None or said.error is not None:
        return False
    told = [trial for trial in study.trials.get(number, ()) if trial.state == "FAIL"]
    times = [trial.datetime_complete for trial in told]
    return any(time and said.time and said.time - time < SOON for time in times)


def free(study: Study, number: int) -> bool:
    """Tell whether an end of this number would be the first."""
    told = study.trials.get(number)
    return not told or told[-1].state == "RUNNING"


def fits(study: Study, said: Result, number: int) -> bool:
    """Tell whether an end may belong to a study."""
    return free(study, number) and agrees(study, said, number) is not False


def agrees(study: Study, said: Result, number: int) -> bool | None:
    """Tell whether the best trial that a line names is the study's; None if nothing tells."""
    if not free(study, number):
        return False
    if said.best is None or not study.trials:
        return None
    best, value = said.best
    if best is None:
        return value in study.told.values() or None
    if best == number:
        return None
    if best in study.told:
        return study.told[best] == value
    return any(t.value == value for t in study.trials[best]) if best in study.trials else None


def iter_best(study: Study) -> Iterator[int]:
    """Yield the number that was called the best last."""
    return reversed(study.told)


def became_best(
    study: Study, number: int, value: float | None, best: tuple[int | None, float] | None
) -> bool:
    """Tell whether a trial is the one whose parameters an old line shows.

    Its value is the best one, and no earlier trial had it.
    """
    if best is None or value is None or value != best[1]:
        return False
    before = next((study.told[told] for told in iter_best(study)), None)
    return number == 0 and len(study.trials) == 1 if before is None else before != value


def settle(trial: Trial, params: dict[str, Any]) -> None:
    """Put the exact parameters of an end in place of those its start line had rounded.

    A dropout that was forced is the one trained with, whatever the study has.
    """
    trial.params = {**trial.params, **params}
    forced = trial.user_attrs.get("forced_dropout")
    if forced is not None and trial.params.get("dropout") != forced:
        trial.user_attrs["sampled_dropout"] = trial.params.get("dropout")
        trial.params["dropout"] = forced
        trial.flags.append(FORCED)


def tell(study: Study, number: int, value: float, best: int, best_value: float) -> None:
    """Keep which trial a line calls the best, and what that says about the direction."""
    if value != best_value:
        better_below = value > best_value
    else:
        before = next((study.told[told] for told in iter_best(study)), best_value)
        if best != number or before == best_value:
            study.told[best] = best_value
            return
        better_below = best_value < before
    study.lower_is_better |= better_below
    study.higher_is_better |= not better_below
    study.told.pop(best, None)
    study.told[best] = best_value


def repeats(trial: Trial, said: Result) -> bool:
    """Tell whether an end repeats what is known of a trial; a failure is told in two lines."""
    if trial.state == said.state == "FAIL" and said.params is None and said.error is None:
        return True
    if trial.state != said.state or trial.values != said.values:
        return False
    if not agree(trial.datetime_complete, said.time):
        return False
    if said.params is None or said.shows_best:
        return said.time is not None or not trial.params
    known = {name: trial.params.get(name) for name in said.params}
    if FORCED in trial.flags and "dropout" in known:
        known["dropout"] = trial.user_attrs.get("sampled_dropout")
    return repr(known) == repr(said.params)
