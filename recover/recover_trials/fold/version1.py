"""Studies of search scripts: every line names its study, run and trial."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Mapping
from datetime import datetime
from typing import Any

from hpo_script.machinery.logged_study import LONG_NAMES, LoggedStudy
from hpo_script.machinery.trial_log import IDENTITY
from recover_trials.conditions import applies
from recover_trials.fold import logged
from recover_trials.fold.continued import Known, join_runs
from recover_trials.formats.optuna_lines import Result
from recover_trials.model import ENDED_TWICE, OUTSIDE, Study, Trial, agree
from recover_trials.own_log import Evaluation, Event, parse_fields, time_of
from recover_trials.version1 import OTHER_PARAMS, OTHERS, REPORTED

# What a line says of itself; the other fields of a trial's lines are parameters or attributes.
STRUCTURE = {
    *(*IDENTITY, "trial", "state", "value", "datetime_start", "datetime_complete"),
    *("system_attrs", "learning_curve", OTHERS, OTHER_PARAMS, REPORTED),
}
STATES = ("COMPLETE", "PRUNED", "FAIL")
ARCHITECTURE = ("arch_idx", "d_model", "n_layers", "n_heads", "params", "d_ff")
CURVE_STRUCTURE = {*IDENTITY, "trial", "unit", "step", *ARCHITECTURE}
# What runs of one study must share, and what it means if they do not.
SHARED = {
    "data_sha256": "runs with different data",
    "architectures_sha256": "runs with different architectures under one arch_idx",
    "search_space": "runs with different search spaces",
    "conditions": "runs with different conditions of parameters",
    "skip_indices": "runs that skip different architectures",
    "fixed_params": "runs with different fixed parameters",
    "metric": "runs with different metrics",
    "direction": "runs with different directions",
    "settings_sha256": "runs with different settings",
}
# Digests that change when a script is rendered again, with a larger total say.
USUALLY_SHARED = {"script_sha256": "runs of different scripts"}


# What the fields of a run line must be to be of use; others are as good as left out.
MAPPINGS = ("search_space", "conditions", "fixed_params")
KINDS: dict[str, type] = {
    "metric": str,
    "direction": str,
    "skip_indices": list,
    **dict.fromkeys(MAPPINGS, dict),
}


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
    config = {LONG_NAMES.get(name, name): value for name, value in fields.items()}
    named = outside if isinstance(outside, list) else ()
    return {n for n in searched if n not in named and applies(conditions, n, config)}


class OwnStudies:
    """Takes events in the order of their lines; keeps what they say of each study."""

    def __init__(self) -> None:
        self.studies: dict[str, Study] = {}
        self.known: dict[str, Known] = defaultdict(Known)
        self.source = ""
        self.here: set[str] = set()  # studies with lines in this file
        self.version2: dict[str, LoggedStudy] = {}  # of these, those of version 2
        self.keys2: set[str] = set()  # all studies of version 2

    def open_source(self, name: str) -> None:
        """Begin a file."""
        self.close_source()
        self.source, self.here = name, set()

    def close_source(self) -> None:
        """Merge the studies of version 2 of a file with those of the files before."""
        for key, found in self.version2.items():
            for trial in found.trials.values():
                logged.merge(self.studies[key], logged.as_row(trial, self.studies[key].about))
        self.version2 = {}

    def study(self, key: str) -> Study:
        """Return the study of an id."""
        self.here.add(key)
        known = self.studies.get(key)
        if known is None:
            known = self.studies[key] = Study(key, key, self.source)
        return known

    def add(self, event: Event) -> None:
        """Take an event."""
        study, fields = self.study(event.fields["study"]), event.fields
        if study.key in self.keys2 or logged.is_version2(event):
            self.keys2.add(study.key)
            logged.take(self.version2.setdefault(study.key, LoggedStudy()), event, study)
            if event.name == "run_start":
                self.open_run(study, fields)
            elif event.name == "run_end":
                self.close_run(study, fields)
            return
        steps = {
            "run_start": self.open_run,
            "study_resumed": self.resume,
            "trial_start": self.start,
            "evaluation": self.evaluate_all,
            "trial_retry": self.retry,
            "trial_resumed": self.take_up,
            "trial_end": self.end,
            "run_end": self.close_run,
        }
        if step := steps.get(event.name):
            step(study, fields)

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

    def evaluate_all(self, study: Study, fields: Mapping[str, Any]) -> None:
        """A trial was evaluated; its line may be the only one that tells of it."""
        point = {fields["unit"]: fields["step"]}
        point |= {name: v for name, v in fields.items() if name not in CURVE_STRUCTURE}
        points = [(fields["step"], point)]
        self.evaluate(Evaluation(fields["trial"], study.key, fields["run"], points))
        trial = study.trial(fields["trial"], None, fields["run"])
        if not trial.user_attrs:
            self.describe(study, trial, {k: fields[k] for k in ARCHITECTURE if k in fields})

    def open_run(self, study: Study, fields: Mapping[str, Any]) -> None:
        """A run began: what it must share with the runs before it is compared."""
        for digests, told in ((SHARED, study.flags), (USUALLY_SHARED, study.remarks)):
            for name, meaning in digests.items():
                if not agree(study.about.get(name), fields.get(name)) and meaning not in told:
                    told.append(meaning)
        fields = {name: v for name, v in fields.items() if isinstance(v, KINDS.get(name, object))}
        study.about.update(fields)
        study.runs[fields["run"]] = dict(fields)
        study.name = str(fields.get("study_name") or fields.get("name", study.key))

    def close_run(self, study: Study, fields: Mapping[str, Any]) -> None:
        """A run ended: which trial it calls the best is kept."""
        number, value = fields.get("best_trial"), fields.get("best_value")
        if isinstance(number, int) and isinstance(value, (int, float)):
            study.told.pop(number, None)
            study.told[number] = value

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
        for short, value in fields.items():
            if short not in STRUCTURE and short not in left_out:
                name = LONG_NAMES.get(short, short)
                (params if name in searched else attributes)[name] = value
        for name, table in ((OTHERS, attributes), (OTHER_PARAMS, params)):
            if isinstance(others := fields.get(name), dict):
                table |= others

    def evaluate(self, said: Evaluation) -> None:
        """A trial was evaluated.

        A step told again begins the curve anew from there: memory ran out, and it was tried again
        with less. What was reported of later steps stays in the study.
        """
        study = self.study(said.study)
        if said.study in self.keys2:
            logged.take_evaluations(self.version2.setdefault(said.study, LoggedStudy()), said)
            return
        trial = study.trial(said.trial, None, said.run)
        if trial is not study.trials[said.trial][-1]:
            if all(trial.curve.get(step) == point for step, point in said.points):
                return  # told again
            self.known[study.key].apart.add(said.trial)
        trial.run = said.run
        curve, reported = trial.curve, trial.intermediate_values
        if said.architecture and not trial.user_attrs:  # no other line tells of it
            self.describe(study, trial, dict(parse_fields(said.architecture)))
        metric = study.about.get("metric", "")
        for step, point in said.points:
            while curve and next(reversed(curve)) >= step:
                curve.popitem()
            curve[step] = point
            value = point.get(metric)
            if value is not None:
                reported[step] = value

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

    def found(self) -> list[Study]:
        """Return the studies that have trials, when all lines are taken."""
        self.close_source()
        for key, study in self.studies.items():
            if key not in self.keys2:
                join_runs(study, self.known[key])
        return [study for study in self.studies.values() if study.trials]

    def takes(self, result: Result) -> bool:
        """Tell whether Optuna's line belongs to a study of this file; complete it if it does.

        It repeats the script's own line, and counts where that is lost. In a log of several
        studies nothing tells whose it is.
        """
        if len(self.here) > 1:
            return True
        study = self.studies[next(iter(self.here))]
        if any(same_end(trial, result) for trial in study.trials.get(result.number or 0, ())):
            return True
        searched = study.about.get("search_space")
        if searched is not None and result.params and not result.params.keys() <= {*searched}:
            return False
        told = study.trials.setdefault(result.number or 0, [])
        if not told:
            told.append(Trial(result.number or 0))
        if told[-1].state == "RUNNING":
            complete(told[-1], result)
            return True
        return any(
            trial.state == result.state and result.values in ((), trial.values) for trial in told
        )


def reported(told: object) -> dict[int, float]:
    """Return intermediate values by their steps, as far as they are such."""
    found = told if isinstance(told, dict) else {}
    return {
        int(step): value
        for step, value in found.items()
        if re.fullmatch(r"\d{1,9}", step, re.ASCII) and type(value) in (int, float)
    }


def same_end(trial: Trial, result: Result) -> bool:
    """Tell whether Optuna's line says what is known of a trial, whose parameters they may be."""
    said = (result.state, result.values, result.params)
    return (trial.state, trial.values, trial.params) == said


def complete(trial: Trial, result: Result) -> None:
    """Take what Optuna's line tells of a trial whose own end line is lost."""
    trial.state, trial.values = result.state, result.values
    trial.datetime_complete = result.time
    trial.params.update(result.params or {})
    if result.error:
        trial.user_attrs.setdefault("error", result.error)
