"""Recovered trials as Optuna's FrozenTrial, with their distributions."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from recover_trials.hpogen_log.version1_lines import OUTSIDE
from recover_trials.model import NO_END, NO_START, Study, Trial
from recover_trials.output.ranges import described, infer_distribution, without_tuples

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

LOST = {"kind": "lost", "fail_reason": "lost", "error": "the log has no line of this trial"}


@dataclass
class Frozen:
    """The trials of a study from number 0 on, and the facts that the log does not hold.

    Attributes:
        trials: one per number, in order.
        lost: numbers without a line.
        inferred: the ranges that are guessed from the values, in words.
        outside: parameters with a value outside of their range, which became attributes.
    """

    trials: list[FrozenTrial] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    inferred: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)


def freeze(study: Study) -> Frozen:
    result = Frozen()
    distributions = distributions_of(study, result)
    last = next((t.datetime_start for t in study.rows if t.datetime_start), datetime.now())
    for number in range(max(study.trials) + 1):
        rows = study.trials.get(number)
        if not rows:
            result.lost.append(number)
        trial = rows[0] if rows else missing_trial(study, number)
        last = trial.datetime_complete or trial.datetime_start or last
        result.trials.append(freeze_trial(trial, last, distributions, study.ranges))
        result.outside += result.trials[-1].user_attrs.get(OUTSIDE, [])
    return result


def missing_trial(study: Study, number: int) -> Trial:
    """Return a trial for a number without a line; a script of version 2 will still run it."""
    if "log_version" in study.about:
        return Trial(number)
    return Trial(number, "FAIL", user_attrs=dict(LOST))


def distributions_of(study: Study, result: Frozen) -> dict[str, Any]:
    """Return the distribution of every parameter, from the run line or inferred."""
    logged = from_json({**(study.about.get("search_space") or {}), **study.ranges})
    values: dict[str, list[Any]] = {}
    for trial in study.rows:
        for name, value in trial.params.items():
            if name not in logged and name not in trial.distributions:
                values.setdefault(name, []).append(value)
    inferred = {name: infer_distribution(values[name]) for name in sorted(values)}
    result.inferred = [described(name, inferred[name]) for name in inferred]
    return {**logged, **inferred}


def from_json(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return the distributions of the JSON in logs and storages."""
    from optuna.distributions import json_to_distribution

    return {name: json_to_distribution(json.dumps(entry)) for name, entry in entries.items()}


def freeze_trial(
    trial: Trial, time: datetime, distributions: Mapping[str, Any], stated: Container[str] = ()
) -> FrozenTrial:
    """Return a trial; a parameter outside of its range becomes an attribute."""
    from optuna.trial import FrozenTrial, TrialState

    stored = {n: d for n, d in trial.distributions.items() if n not in stated}
    ranges = {**distributions, **from_json(stored)}
    params = {name: without_tuples(value) for name, value in trial.params.items()}
    inside = {name: v for name, v in params.items() if contains(ranges[name], v)}
    outside = {n: v for n, v in params.items() if n not in inside}
    marked: dict[str, Any] = {OUTSIDE: [*outside]} if outside else {}
    ended = trial.state != "RUNNING"
    # Optuna requires both times.
    marked |= {NO_START: True} if trial.datetime_start is None else {}
    marked |= {NO_END: True} if ended and trial.datetime_complete is None else {}
    return FrozenTrial(
        number=trial.number,
        trial_id=-1,
        state=TrialState[trial.state],
        value=None,
        values=list(trial.values) or None,
        datetime_start=trial.datetime_start or trial.datetime_complete or time,
        datetime_complete=(trial.datetime_complete or time) if ended else None,
        params=inside,
        distributions={name: ranges[name] for name in inside},
        user_attrs={**trial.user_attrs, **outside, **marked},
        system_attrs=dict(trial.system_attrs),
        intermediate_values=dict(trial.intermediate_values),
    )


def contains(distribution: Any, value: object) -> bool:
    """Return whether a value is in the range of a parameter."""
    from optuna.distributions import CategoricalDistribution

    number = isinstance(value, (int, float))
    if not number and not isinstance(distribution, CategoricalDistribution):
        return False  # Optuna accepts a text that holds a number
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except (ValueError, OverflowError):
        return False


def same_trial(one: FrozenTrial, other: FrozenTrial) -> bool:
    """Return whether two records may be one trial; a running trial may lack parameters."""
    if not other.state.is_finished():
        return comparable(other.params) == comparable({n: one.params.get(n) for n in other.params})
    return comparable(one.state.name, one.values, one.params) == comparable(
        other.state.name, other.values, other.params
    )


def comparable(*values: Any) -> str:
    """Return a text that is equal for values before and after a storage converted them."""
    return repr(normalized(values))


def normalized(value: Any) -> Any:
    """Return a value without tuples, with one type of number, sorted by name."""
    if isinstance(value, (list, tuple)):
        return [normalized(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): normalized(value[name]) for name in sorted(value, key=str)}
    return float(value) if type(value) is int and abs(value) < 2**53 else value
