"""Recovered trials as Optuna keeps them, with their distributions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from recover_trials.hpogen_log.version1_lines import OUTSIDE
from recover_trials.model import Study, Trial

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

LOST = {"kind": "lost", "fail_reason": "lost", "error": "no line of this trial was found"}


@dataclass
class Frozen:
    """The trials of a study from number 0 on, and what was made up for them.

    Attributes:
        trials: one per number, in order.
        lost: numbers of which no line was found.
        inferred: names of parameters whose range no line tells.
    """

    trials: list[FrozenTrial] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    inferred: list[str] = field(default_factory=list)


def freeze(study: Study) -> Frozen:
    """Return every trial from number 0 on."""
    result = Frozen()
    distributions = distributions_of(study, result)
    last = next((t.datetime_start for t in study.rows if t.datetime_start), datetime.now())
    for number in range(max(study.trials) + 1):
        told = study.trials.get(number)
        if not told:
            result.lost.append(number)
        trial = told[0] if told else missing(study, number)
        last = trial.datetime_complete or trial.datetime_start or last
        result.trials.append(freeze_trial(trial, last, distributions))
    return result


def missing(study: Study, number: int) -> Trial:
    """Return a trial of which no line was found; a script of version 2 runs it again."""
    if "log_version" in study.about:
        return Trial(number)
    return Trial(number, "FAIL", user_attrs=dict(LOST))


def distributions_of(study: Study, result: Frozen) -> dict[str, Any]:
    """Return the distribution of every parameter: told by the run line, else inferred."""
    told = from_json(study.about.get("search_space") or {})
    values: dict[str, list[Any]] = {}
    for trial in study.rows:
        for name, value in trial.params.items():
            if name not in told and name not in trial.distributions:
                values.setdefault(name, []).append(value)
    result.inferred = sorted(values)
    return {**told, **{name: infer(found) for name, found in values.items()}}


def from_json(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Return distributions from the JSON that logs and storages have."""
    from optuna.distributions import json_to_distribution

    return {name: json_to_distribution(json.dumps(entry)) for name, entry in entries.items()}


def infer(values: list[Any]) -> Any:
    """Return the narrowest distribution that holds some values."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    kinds = {type(value) for value in values}
    if kinds == {int}:
        return IntDistribution(min(values), max(values))
    if kinds <= {int, float} and all(abs(value) < float("inf") for value in values):
        return FloatDistribution(float(min(values)), float(max(values)))
    return CategoricalDistribution(list({repr(value): value for value in values}.values()))


def freeze_trial(trial: Trial, time: datetime, distributions: Mapping[str, Any]) -> FrozenTrial:
    """Return a trial as Optuna keeps it; a value outside of its range becomes an attribute."""
    from optuna.trial import FrozenTrial, TrialState

    known = {**distributions, **from_json(trial.distributions)}
    inside = {name: v for name, v in trial.params.items() if contains(known[name], v)}
    outside = {n: v for n, v in trial.params.items() if n not in inside}
    marked = {OUTSIDE: [*outside]} if outside else {}
    ended = trial.state != "RUNNING"
    return FrozenTrial(
        number=trial.number,
        trial_id=-1,
        state=TrialState[trial.state],
        value=None,
        values=list(trial.values) or None,
        datetime_start=trial.datetime_start or time,
        datetime_complete=(trial.datetime_complete or time) if ended else None,
        params=inside,
        distributions={name: known[name] for name in inside},
        user_attrs={**trial.user_attrs, **outside, **marked},
        system_attrs=dict(trial.system_attrs),
        intermediate_values=dict(trial.intermediate_values),
    )


def contains(distribution: Any, value: object) -> bool:
    """Return whether a parameter may have a value."""
    from optuna.distributions import CategoricalDistribution

    number = isinstance(value, (int, float))
    if not number and not isinstance(distribution, CategoricalDistribution):
        return False  # Optuna takes the text of a number
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except (ValueError, OverflowError):
        return False


def same_trial(one: FrozenTrial, other: FrozenTrial) -> bool:
    """Return whether two records can be of one trial; one that is running may have less."""
    if not other.state.is_finished():
        return plain(other.params) == plain({n: one.params.get(n) for n in other.params})
    return plain(one.state.name, one.values, one.params) == plain(
        other.state.name, other.values, other.params
    )


def plain(*values: Any) -> str:
    """Return values as a storage gives them back: no tuples, one kind of number, NaN as NaN."""
    return repr(shape(values))


def shape(value: Any) -> Any:
    """Return a value whose text is the same before and after it was stored."""
    if isinstance(value, (list, tuple)):
        return [shape(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): shape(value[name]) for name in sorted(value, key=str)}
    return float(value) if type(value) is int and abs(value) < 2**53 else value
