"""The best trial that a line names: it shows the study of the line, and the direction.

If several processes write into one file, the best trial that a line names shows its study. A value
that became the best by being lower, or higher, shows whether the study minimizes or maximizes.
"""

from __future__ import annotations

from recover_trials.model import Study
from recover_trials.optuna_log.duplicate_lines import is_unended
from recover_trials.optuna_log.optuna_lines import Result


def may_belong(study: Study, result: Result, number: int) -> bool:
    """Return whether an end line may be of a study: no field of it contradicts the other lines."""
    ended = (trial for rows in reversed(study.trials.values()) for trial in rows if trial.values)
    last = next(ended, None)
    if last and result.values and len(last.values) != len(result.values):
        return False
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
