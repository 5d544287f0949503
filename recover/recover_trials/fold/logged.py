"""Studies of version 2: the meaning of their lines is that of the search script itself."""

from __future__ import annotations

from typing import Any

from hpo_script.machinery.logged_study import LoggedStudy, LoggedTrial
from hpo_script.machinery.trial_log import HEADS, LOG_EVENTS
from recover_trials.conditions import applies
from recover_trials.model import ENDED_TWICE, Study, Trial
from recover_trials.own_log import Evaluation, Event, time_of

NOT_AS_WRITTEN = "a line with a valid checksum has other fields than a search script writes"


def is_version2(event: Event) -> bool:
    """Return whether only a script of version 2 can have written a line."""
    complete = isinstance(event.fields.get("learning_curve"), list)
    return complete or "log_version" in event.fields or event.name in ("enqueued", "history")


def take(logged: LoggedStudy, event: Event, study: Study) -> None:
    """Take a line; flag the study if a line lacks fields or has values of other kinds."""
    kind = LOG_EVENTS[event.name]
    needed = {*kind.first, *kind.last, *HEADS[event.name].groupindex}
    try:
        if needed <= event.fields.keys():
            logged.take(event.name, event.fields)
            return
    except (AttributeError, KeyError, TypeError, StopIteration):
        pass
    if NOT_AS_WRITTEN not in study.flags:
        study.flags.append(NOT_AS_WRITTEN)


def take_evaluations(logged: LoggedStudy, said: Evaluation) -> None:
    """Take evaluations of one trial that follow each other."""
    trial = logged.trial(said.trial)
    if trial.finished or logged.superseded(trial, said.run):
        return
    for step, point in said.points:
        trial.cut(step - 1)
        trial.curve.append(point)


def as_row(trial: LoggedTrial, about: dict[str, Any]) -> Trial:
    """Return a trial as recovery has it."""
    conditions = about.get("conditions") or {}
    searched = about.get("search_space") or ()
    params = {
        name: trial.attributes[name]
        for name in searched
        if name in trial.attributes and applies(conditions, name, trial.attributes)
    }
    others = {name: value for name, value in trial.attributes.items() if name not in params}
    metric = about.get("metric")
    return Trial(
        trial.number,
        trial.state,
        () if trial.value is None else (trial.value,),
        time_of({"time": trial.datetime_start}, "time"),
        time_of({"time": trial.datetime_complete}, "time"),
        params,
        user_attrs={**others, "learning_curve": trial.curve},
        intermediate_values={
            next(iter(point.values())): point[metric] for point in trial.curve if metric in point
        },
        system_attrs=trial.system_attrs,
        run=trial.claims[-1] if trial.claims else None,
    )


def merge(study: Study, trial: Trial) -> None:
    """Add a trial of one file to its study; equal ones are one, others are kept and flagged."""
    told = study.trials.setdefault(trial.number, [])
    if not told or (told[-1].state == "RUNNING" and len(told) == 1):
        study.trials[trial.number] = [trial]
    elif trial.state != "RUNNING" and not any(same(other, trial) for other in told):
        trial.flags.append(ENDED_TWICE)
        told.append(trial)


def same(one: Trial, other: Trial) -> bool:
    """Return whether two trials are equal in everything that their end lines say."""
    names = ("state", "values", "params", "user_attrs", "datetime_start", "datetime_complete")
    return all(repr(getattr(one, name)) == repr(getattr(other, name)) for name in names)
