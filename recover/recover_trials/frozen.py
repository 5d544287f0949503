"""Recovered trials as Optuna keeps them, with their distributions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from recover_trials.model import OUTSIDE, Study, Trial

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
    """Return every trial from number 0 on; a number without a line has failed."""
    result = Frozen()
    distributions = distributions_of(study, result)
    last = next((t.datetime_start for t in study.rows if t.datetime_start), datetime.now())
    for number in range(max(study.trials) + 1):
        told = study.trials.get(number)
        if not told:
            result.lost.append(number)
        trial = told[0] if told else Trial(number, "FAIL", user_attrs=dict(LOST))
        last = trial.datetime_complete or trial.datetime_start or last
        result.trials.append(freeze_trial(trial, last, distributions))
    return result


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
    """Return a trial as Optuna keeps it; a value outside of its range becomes an attribute.

    One that did not end is queued with its parameters, so that it is trained under its number by
    whoever asks next: no owner has to be found dead, and what it had reported is reported anew.
    """
    from optuna.trial import FrozenTrial, TrialState

    from hpo_script.suggest import contains

    known = {**distributions, **from_json(trial.distributions)}
    inside = {name: v for name, v in trial.params.items() if contains(known[name], v)}
    outside = {n: v for n, v in trial.params.items() if n not in inside}
    marked = {OUTSIDE: [*outside]} if outside else {}
    ended = trial.state != "RUNNING"
    return FrozenTrial(
        number=trial.number,
        trial_id=-1,
        state=TrialState[trial.state] if ended else TrialState.WAITING,
        value=None,
        values=list(trial.values) or None,
        datetime_start=(trial.datetime_start or time) if ended else None,
        datetime_complete=(trial.datetime_complete or time) if ended else None,
        params=inside if ended else {},
        distributions={name: known[name] for name in inside} if ended else {},
        user_attrs={**trial.user_attrs, **outside, **marked},
        # What Optuna keeps with a trial that is queued with its parameters.
        system_attrs=dict(trial.system_attrs) if ended else {"fixed_params": inside},
        intermediate_values=dict(trial.intermediate_values) if ended else {},
    )


def same_trial(one: FrozenTrial, other: FrozenTrial) -> bool:
    """Tell whether two records can be of one trial; what has not ended may go on in one."""
    if one.state.is_finished():
        return one.state == other.state and plain(one.values, one.params) == plain(
            other.values, other.params
        )
    ours, theirs = one.system_attrs["fixed_params"], given(other)
    both = ours.keys() & theirs.keys()
    return plain(*(ours[name] for name in both)) == plain(*(theirs[name] for name in both))


def given(trial: FrozenTrial) -> dict[str, Any]:
    """Return the parameters of a trial, also of one that is queued."""
    queued: dict[str, Any] = trial.system_attrs.get("fixed_params", {})
    return {**queued, **trial.params}


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
