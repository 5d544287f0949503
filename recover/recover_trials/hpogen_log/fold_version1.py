"""Studies of version 1, whose scripts kept them in a database and logged what they did.

Lines of studies whose version no line names are read in the same way.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Mapping
from datetime import datetime
from typing import Any

from hpo_script.machinery.trial_log import ARCHITECTURE, IDENTITY
from recover_trials.hpogen_log.conditions import applies
from recover_trials.hpogen_log.hpogen_lines import Event, time_of
from recover_trials.hpogen_log.killed_trials import Known, join_runs
from recover_trials.hpogen_log.run_lines import close_run, open_run
from recover_trials.hpogen_log.version1_lines import (
    OTHER_PARAMS,
    OTHERS,
    OUTSIDE,
    REPORTED,
    RESUMED,
)
from recover_trials.model import ENDED_TWICE, Study, Trial, agree

# What a line says of itself; the other fields of a trial's lines are parameters or attributes.
STRUCTURE = {
    *(*IDENTITY, "trial", "state", "value", "datetime_start", "datetime_complete"),
    *("system_attrs", "learning_curve", OTHERS, OTHER_PARAMS, REPORTED),
}
STATES = ("COMPLETE", "PRUNED", "FAIL")
CURVE_STRUCTURE = {*IDENTITY, "trial", "unit", "step", *ARCHITECTURE}


def taken_up(study: Study, fields: Mapping[str, Any]) -> Trial | None:
    """Return the trial that a later run goes on with under its number, with the same parameters.

    What it evaluates again takes the place of what was told. None where nothing shows that it is
    the same one.
    """
    told = study.trials.get(fields["trial"])
    if not told or told[-1].state != "RUNNING" or told[-1].run == fields["run"]:
        return None
    trial, config = told[-1], fields.get("config_id")
    if config is None or trial.user_attrs.get("config_id", config) != config:
        return None
    return trial


def searched_in(about: Mapping[str, Any], fields: Mapping[str, Any]) -> Container[str]:
    """Return the parameters that were searched in a trial: not all are in each.

    Of others a line may tell a value: the fixed one where a condition fails, or one that lies
    outside of a space the trial was moved to.
    """
    searched, conditions = about.get("search_space") or (), about.get("conditions") or {}
    outside = fields.get(OUTSIDE) if "from_study" in fields else ()
    if not conditions and not outside:
        return searched
    named = outside if isinstance(outside, list) else ()
    return {n for n in searched if n not in named and applies(conditions, n, fields)}


class Version1:
    """Takes events in the order of their lines; keeps what they say of each study."""

    def __init__(self) -> None:
        self.known: dict[str, Known] = defaultdict(Known)

    def add(self, study: Study, event: Event) -> None:
        """Take an event of a study."""
        steps = {
            "run_start": open_run,
            RESUMED: self.resume,
            "trial_start": self.start,
            "evaluation": self.evaluate,
            "trial_retry": self.retry,
            "trial_resumed": self.take_up,
            "trial_end": self.end,
            "run_end": close_run,
        }
        if step := steps.get(event.name):
            step(study, event.fields)

    def finish(self, study: Study) -> None:
        """Join what several runs tell of a trial, when all lines are taken."""
        join_runs(study, self.known[study.key])

    def resume(self, study: Study, _: Mapping[str, Any]) -> None:
        """A run goes on with a study; if no trial was told before, its first ones are lost."""
        study.resumed |= not study.trials

    def retry(self, study: Study, fields: Mapping[str, Any]) -> None:
        """A trial begins anew, with a smaller micro-batch."""
        trial = study.trial(fields["trial"], None, fields["run"])
        trial.curve.clear()
        if "micro_batch" in fields:
            trial.user_attrs["micro_batch"] = fields["micro_batch"]

    def take_up(self, study: Study, fields: Mapping[str, Any]) -> None:
        """A run goes on with a trial of one that died: what it tells is of that trial."""
        told = study.trials.get(fields["trial"])
        trial = told[-1] if told else study.trial(fields["trial"], None, fields["run"])
        if trial.run != fields["run"]:
            self.known[study.key].left.add((trial.number, trial.run))
        trial.run = fields["run"]
        reached = fields.get(str(study.about.get("unit")))
        if isinstance(reached, int):  # the curve goes on from there; what was reported stays
            trial.curve = {step: point for step, point in trial.curve.items() if step <= reached}
        self.describe(study, trial, {k: fields[k] for k in ARCHITECTURE if k in fields})

    def start(self, study: Study, fields: Mapping[str, Any]) -> None:
        """A trial started; one that started before goes on, or is told again."""
        start = time_of(fields, "datetime_start")
        if before := self.told_before(study, fields, start):
            again = Trial(before.number)
            self.describe(study, again, fields)
            before.params = {**again.params, **before.params}
            before.user_attrs = {**again.user_attrs, **before.user_attrs}
            return
        trial = taken_up(study, fields) or study.trial(fields["trial"], start, fields["run"])
        trial.datetime_start, trial.run = start, fields["run"]
        self.describe(study, trial, fields)

    def told_before(
        self, study: Study, fields: Mapping[str, Any], start: datetime | None
    ) -> Trial | None:
        """Return the trial that has this very start already; None if a run takes it up by it."""
        number, run, config = fields["trial"], fields["run"], fields.get("config_id")
        left = (number, run) in self.known[study.key].left
        for trial in study.trials.get(number, ()) if start and config else ():
            same = trial.user_attrs.get("config_id", config) == config
            behind = left or trial.run == run or trial.state != "RUNNING"
            if same and behind and trial.datetime_start == start:
                return trial
        return None

    def describe(self, study: Study, trial: Trial, fields: Mapping[str, Any]) -> None:
        """Sort the fields of a trial's line into parameters and attributes."""
        searched = searched_in(study.about, fields)
        params, attributes = trial.params, trial.user_attrs
        # A trial of another program has no architecture.
        left_out = ARCHITECTURE if OTHER_PARAMS in fields else ()
        for name, value in fields.items():
            if name not in STRUCTURE and name not in left_out:
                (params if name in searched else attributes)[name] = value
        for name, table in ((OTHERS, attributes), (OTHER_PARAMS, params)):
            if isinstance(others := fields.get(name), dict):
                table |= others

    def evaluate(self, study: Study, fields: Mapping[str, Any]) -> None:
        """A trial was evaluated; its line may be the only one that tells of it.

        A step told again begins the curve anew from there: memory ran out, and it was tried again
        with less. What was reported of later steps stays in the study.
        """
        number, run, step = fields["trial"], fields["run"], fields["step"]
        point = {fields["unit"]: step}
        point |= {name: v for name, v in fields.items() if name not in CURVE_STRUCTURE}
        trial = study.trial(number, None, run)
        if trial is not study.trials[number][-1]:
            if trial.curve.get(step) == point:
                return  # told again
            self.known[study.key].apart.add(number)
        trial.run = run
        if not trial.user_attrs:  # no other line tells of it
            self.describe(study, trial, {k: fields[k] for k in ARCHITECTURE if k in fields})
        while trial.curve and next(reversed(trial.curve)) >= step:
            trial.curve.popitem()
        trial.curve[step] = point
        value = point.get(study.about.get("metric", ""))
        if value is not None:
            trial.intermediate_values[step] = value

    def end(self, study: Study, fields: Mapping[str, Any]) -> None:
        """A trial ended; the same end told twice is one, another end is kept and flagged."""
        trial = study.trial(fields["trial"], time_of(fields, "datetime_start"))
        end = hash(repr(sorted((name, fields[name]) for name in fields if name != "run")))
        told = study.trials[trial.number]
        if not agree(trial.end, end):
            if any(other.end == end for other in told):
                return
            trial = trial.but(params={}, user_attrs={}, flags=[ENDED_TWICE])
            told.append(trial)
        study.told.clear()  # what an earlier run called the best may be beaten now
        if trial.run != fields["run"]:
            self.known[study.key].ended.add(trial.number)
        known = fields.get("state") in STATES
        value = fields.get("value") if known and fields["state"] != "FAIL" else None
        trial.state, trial.end = fields["state"] if known else "FAIL", end
        trial.values = (value,) if isinstance(value, (int, float)) else ()
        trial.datetime_start = time_of(fields, "datetime_start")
        trial.datetime_complete = time_of(fields, "datetime_complete")
        self.describe(study, trial, fields)
        kept = fields.get("system_attrs")
        if isinstance(kept, dict):
            trial.system_attrs = kept
        if REPORTED in fields:
            trial.intermediate_values = reported(fields[REPORTED])
        if "learning_curve" not in fields:  # else the study has none
            trial.user_attrs["learning_curve"] = [trial.curve[n] for n in sorted(trial.curve)]


def reported(told: object) -> dict[int, float]:
    """Return intermediate values by their steps, as far as they are such."""
    found = told if isinstance(told, dict) else {}
    return {
        int(step): value
        for step, value in found.items()
        if re.fullmatch(r"\d{1,9}", step, re.ASCII) and type(value) in (int, float)
    }
