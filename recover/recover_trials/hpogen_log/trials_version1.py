"""Fold of the events of version 1, whose scripts kept their study in a database.

Studies whose version no line shows are folded in the same way.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from hpo_script.machinery.log_lines import ARCHITECTURE, IDENTITY
from recover_trials.hpogen_log.conditions import applies
from recover_trials.hpogen_log.hpogen_lines import Event, field_time
from recover_trials.hpogen_log.killed_trials import RunOrder, join_resumed
from recover_trials.hpogen_log.run_lines import close_run, open_run
from recover_trials.hpogen_log.version1_lines import (
    OTHER_PARAMS,
    OTHERS,
    OUTSIDE,
    REPORTED,
    RESUMED,
)
from recover_trials.model import ENDED_TWICE, Study, Trial, compatible

# Fields with a meaning of their own; the other fields of a trial's lines are parameters or
# attributes.
STRUCTURE = {
    *(*IDENTITY, "trial", "state", "value", "datetime_start", "datetime_complete"),
    *("system_attrs", "learning_curve", OTHERS, OTHER_PARAMS, REPORTED),
}
STATES = ("COMPLETE", "PRUNED", "FAIL")
CURVE_STRUCTURE = {*IDENTITY, "trial", "unit", "step", *ARCHITECTURE}


def resumed_trial(study: Study, fields: Mapping[str, Any]) -> Trial | None:
    """Return the trial that a start line resumes: same number and configuration, another run.

    None if there is no such trial, or if a configuration id is missing.
    """
    rows = study.trials.get(fields["trial"])
    if not rows or rows[-1].state != "RUNNING" or rows[-1].run == fields["run"]:
        return None
    trial, config = rows[-1], fields.get("config_id")
    if config is None or trial.user_attrs.get("config_id", config) != config:
        return None
    return trial


def searched_in(about: Mapping[str, Any], fields: Mapping[str, Any]) -> Container[str]:
    """Return the parameters that were searched in one trial.

    A line may also hold parameters that the trial did not search: fixed values, where a condition
    does not hold, and values outside the space of the study that the trial was moved to.
    """
    space, conditions = about.get("search_space") or (), about.get("conditions") or {}
    outside = fields.get(OUTSIDE) if "from_study" in fields else ()
    if not conditions and not outside:
        return space
    names = outside if isinstance(outside, list) else ()
    return {n for n in space if n not in names and applies(conditions, n, fields)}


class Version1:
    """Folds events, in the order of their lines, into studies."""

    def __init__(self) -> None:
        self.order: dict[str, RunOrder] = defaultdict(RunOrder)

    def add(self, study: Study, event: Event) -> None:
        """Fold an event into its study."""
        steps = {
            "run_start": open_run,
            RESUMED: self.resume_study,
            "trial_start": self.start,
            "evaluation": self.evaluate,
            "trial_retry": self.retry,
            "trial_resumed": self.resume_trial,
            "trial_end": self.end,
            "run_end": close_run,
        }
        if step := steps.get(event.name):
            step(study, event.fields)

    def finish(self, study: Study) -> None:
        """Join the rows of resumed trials, after the last line."""
        join_resumed(study, self.order[study.key])

    def resume_study(self, study: Study, _: Mapping[str, Any]) -> None:
        """Mark a study whose first line resumes it: no log holds its earlier trials."""
        study.resumed |= not study.trials

    def retry(self, study: Study, fields: Mapping[str, Any]) -> None:
        """Restart a trial, with a smaller micro-batch."""
        trial = study.trial(fields["trial"], None, fields["run"])
        trial.curve.clear()
        if "micro_batch" in fields:
            trial.user_attrs["micro_batch"] = fields["micro_batch"]

    def resume_trial(self, study: Study, fields: Mapping[str, Any]) -> None:
        """Assign a trial of a killed run to the run that resumes it."""
        rows = study.trials.get(fields["trial"])
        trial = rows[-1] if rows else study.trial(fields["trial"], None, fields["run"])
        if trial.run != fields["run"]:
            self.order[study.key].handed_over.add((trial.number, trial.run))
        trial.run = fields["run"]
        reached = fields.get(str(study.about.get("unit")))
        if isinstance(
            reached, int
        ):  # the step of the checkpoint; the database keeps reported values
            trial.curve = {step: point for step, point in trial.curve.items() if step <= reached}
        self.describe(study, trial, {k: fields[k] for k in ARCHITECTURE if k in fields})

    def start(self, study: Study, fields: Mapping[str, Any]) -> None:
        """Start a trial, unless the line is a duplicate or resumes the trial."""
        start = field_time(fields, "datetime_start")
        if duplicate := self.duplicate_start(study, fields, start):
            repeated = Trial(duplicate.number)
            self.describe(study, repeated, fields)
            duplicate.params = {**repeated.params, **duplicate.params}
            duplicate.user_attrs = {**repeated.user_attrs, **duplicate.user_attrs}
            return
        trial = resumed_trial(study, fields) or study.trial(fields["trial"], start, fields["run"])
        trial.datetime_start, trial.run = start, fields["run"]
        self.describe(study, trial, fields)

    def duplicate_start(
        self, study: Study, fields: Mapping[str, Any], start: datetime | None
    ) -> Trial | None:
        """Return the trial that already has this start; None if the line resumes it."""
        number, run, config = fields["trial"], fields["run"], fields.get("config_id")
        handed_over = (number, run) in self.order[study.key].handed_over
        for trial in study.trials.get(number, ()) if start and config else ():
            same = trial.user_attrs.get("config_id", config) == config
            duplicate = handed_over or trial.run == run or trial.state != "RUNNING"
            if same and duplicate and trial.datetime_start == start:
                return trial
        return None

    def describe(self, study: Study, trial: Trial, fields: Mapping[str, Any]) -> None:
        """Sort the fields of a line into parameters and attributes of its trial."""
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
        """Add an evaluation to the curve of its trial.

        A repeated step removes the later part of the curve: the script retried the trial with a
        smaller micro-batch. The database keeps the values that were reported at later steps.
        """
        number, run, step = fields["trial"], fields["run"], fields["step"]
        point = {fields["unit"]: step}
        point |= {name: v for name, v in fields.items() if name not in CURVE_STRUCTURE}
        trial = study.trial(number, None, run)
        if trial is not study.trials[number][-1]:
            if trial.curve.get(step) == point:
                return  # a duplicate
            self.order[study.key].alternating.add(number)
        trial.run = run
        if not trial.user_attrs:  # its start line is lost
            self.describe(study, trial, {k: fields[k] for k in ARCHITECTURE if k in fields})
        while trial.curve and next(reversed(trial.curve)) >= step:
            trial.curve.popitem()
        trial.curve[step] = point
        value = point.get(study.about.get("metric", ""))
        if value is not None:
            trial.intermediate_values[step] = value

    def end(self, study: Study, fields: Mapping[str, Any]) -> None:
        """End a trial; a duplicate changes nothing, a conflict becomes a row with a flag."""
        trial = study.trial(fields["trial"], field_time(fields, "datetime_start"))
        end = hash(repr(sorted((name, fields[name]) for name in fields if name != "run")))
        rows = study.trials[trial.number]
        if not compatible(trial.end, end):
            if any(other.end == end for other in rows):
                return
            trial = replace(trial, params={}, user_attrs={}, flags=[ENDED_TWICE])
            rows.append(trial)
        study.named_bests.clear()  # this trial may be better than the best of an earlier run
        if trial.run != fields["run"]:
            self.order[study.key].ended_elsewhere.add(trial.number)
        valid = fields.get("state") in STATES
        value = fields.get("value") if valid and fields["state"] != "FAIL" else None
        trial.state, trial.end = fields["state"] if valid else "FAIL", end
        trial.values = (value,) if isinstance(value, (int, float)) else ()
        trial.datetime_start = field_time(fields, "datetime_start")
        trial.datetime_complete = field_time(fields, "datetime_complete")
        self.describe(study, trial, fields)
        if isinstance(system_attrs := fields.get("system_attrs"), dict):
            trial.system_attrs = system_attrs
        if REPORTED in fields:
            trial.intermediate_values = reported_values(fields[REPORTED])
        if "learning_curve" not in fields:  # otherwise the database has no such attribute
            trial.user_attrs["learning_curve"] = [trial.curve[n] for n in sorted(trial.curve)]


def reported_values(mapping: object) -> dict[int, float]:
    """Return intermediate values by step; invalid items are left out."""
    items = mapping.items() if isinstance(mapping, dict) else ()
    return {
        int(step): value
        for step, value in items
        if re.fullmatch(r"\d{1,9}", step, re.ASCII) and type(value) in (int, float)
    }
