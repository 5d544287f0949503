"""Records: what a study did, in its log and its files, always from the study's own storage."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import socket
from argparse import Namespace
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import optuna
import torch
from optuna.trial import FrozenTrial, Trial, TrialState

from hpo_script.checkpoint import Checkpoint
from hpo_script.command_line import without_password
from hpo_script.experiment import Curve, Experiment, UnusableError
from hpo_script.log_writer import TrialLog, say
from hpo_script.results import (
    architecture_of,
    best_of,
    plain,
    trial_record,
    write_json,
    write_results,
)
from hpo_script.storage import file_of, way_out
from hpo_script.study import differences, script_digest
from hpo_script.trial_log import (
    COUNTS,
    EXPERIMENT,
    LOG_EVENTS,
    OTHER_PARAMS,
    OTHERS,
    REPORTED,
    RESERVED,
    SHORT_NAMES,
)


def log_fields(
    attributes: Mapping[str, Any], params: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Return parameters and attributes under the names they have in the log, curves left out."""
    fields = {SHORT_NAMES.get(name, name): value for name, value in params.items()}
    others = dict[str, Any]()
    for name, value in attributes.items():
        free = name not in RESERVED | params.keys()
        is_field = free and re.fullmatch(r"[a-zA-Z]\w*", name, re.ASCII)
        if name != "learning_curve":
            (fields if is_field else others)[SHORT_NAMES.get(name, name)] = value
    return {**fields, OTHERS: others} if others else fields


# What the lines of a trial must have; one that another program put into the study has not.
EXPECTED = {*LOG_EVENTS["trial_start"].first, "kind", "config_id"}


def is_own(trial: Trial | FrozenTrial) -> bool:
    """Tell whether this script has begun a trial."""
    return log_fields(trial.user_attrs, trial.params).keys() >= EXPECTED


def curve_of(trial: FrozenTrial) -> Curve:
    """Return the learning curve of a trial of this script."""
    curve = trial.user_attrs.get("learning_curve")
    return curve if isinstance(curve, list) and is_own(trial) else []


def reported_in(curve: Curve, metric: str) -> dict[int, float]:
    """Return what is reported to the study of a learning curve, by the count reached."""
    return {next(iter(point.values())): point[metric] for point in curve}


class Recorder:
    """The log and the result files of one run of a study."""

    def __init__(
        self, study: optuna.Study, experiment: Experiment, arguments: Namespace, run: str
    ) -> None:
        self.study, self.experiment, self.out = study, experiment, arguments.out
        self.minutes, self.url = arguments.checkpoint_minutes, arguments.url
        self.log = TrialLog(arguments.log, study=study.user_attrs["study_id"], run=run)

    def open_run(self, **about: object) -> None:
        """Open the run in the log; write what an earlier run finished but could not write."""
        known = {name: v for name, v in asdict(self.experiment).items() if name in EXPERIMENT}
        versions = {"hpogen": self.experiment.hpogen, "python": platform.python_version()}
        found = {
            "architectures_sha256": self.study.user_attrs["architectures_sha256"],
            "settings_sha256": self.study.user_attrs["settings_sha256"],
            "script_sha256": script_digest(),
            "worker": f"{socket.gethostname()}:{os.getpid()}",
            "versions": {**versions, "torch": torch.__version__, "optuna": optuna.__version__},
        }
        self.log.write("run_start", {**known, **found, **about})
        if any(self.counts().values()):
            self.log.write("study_resumed", self.counts())
        ended = self.log.numbers(r"Trial (\d+) ended: ")
        finished = [trial for trial in self.study.trials if trial.state.is_finished()]
        if gone := sorted(ended - {trial.number for trial in finished}):
            raise self.altered(f"{self.log.path} tells the end of trial {gone[0]}, it does not")
        for trial in finished:
            if trial.number not in ended:
                self.retell(trial, curve_of(trial))
                self.publish(trial)
            else:
                self.check_file(trial)
            self.checkpoint(trial).remove()
        self.write_files()  # also before the first trial: the folder is this study's

    def trial_file(self, number: int) -> Path:
        """Return where the record of a trial is kept."""
        return self.out / "trials" / f"trial_{number:04d}.json"

    def check_file(self, trial: FrozenTrial) -> None:
        """Write a trial's file if it is not there; refuse one that says something else."""
        path, known = self.trial_file(trial.number), plain(trial_record(trial))
        try:
            told = dict(json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError):
            self.write_files(trial)
            return
        changed = differences(told, {name: known.get(name) for name in told})
        for step, value in reported_in(curve_of(trial), self.experiment.metric).items():
            reported = trial.intermediate_values.get(step)
            if reported != value and not math.isnan(value):
                changed.append(f"it reported {reported} at {step}, not {value}")
        if changed:
            what = f"{path} is not what the storage has: {'; '.join(changed[:9])}"
            raise self.altered(f"{what}. Or this file was, if that is said again: then delete it")

    def altered(self, what: str) -> UnusableError:
        """Return the error that a storage does not hold what was written, and the way out."""
        out, known = way_out(self.url, self.log.path), file_of(self.url)
        which = known or without_password(self.url)
        return UnusableError(f"the storage {which} was altered. {out}\n{what}")

    def checkpoint(self, trial: Trial | FrozenTrial) -> Checkpoint:
        """Return the checkpoint of a trial, which no other may take for its own."""
        study_id, config_id = self.study.user_attrs["study_id"], trial.user_attrs.get("config_id")
        path = self.out / "checkpoints" / f"trial_{trial.number:04d}.pt"
        return Checkpoint(path, f"{study_id} {config_id}", minutes=self.minutes)

    def retell(self, trial: Trial | FrozenTrial, curve: Curve) -> None:
        """Write what this log does not have of a trial: its start, the end of its curve."""
        told = self.log.numbers(rf"Trial {trial.number} \w+ (\d+): arch_idx=")
        reached = max(told, default=0)
        missing = [point for point in curve if next(iter(point.values())) > reached]
        if trial.number not in self.log.numbers(r"Trial (\d+): arch_idx="):
            self.begin(trial)
        elif missing:
            self.resumed(trial, next(iter(missing[0])), reached)
        for point in missing:
            self.evaluated(trial, point)

    def take_up(self, trial: Trial, curve: Curve, unit: str) -> None:
        """Write that a trial goes on, and from where."""
        self.retell(trial, curve)
        reached = curve[-1][unit] if curve else 0
        self.resumed(trial, unit, reached)
        where = f"goes on after {unit} {reached}" if reached else "goes on from its beginning"
        say(f"trial {trial.number}, which was begun before, {where}")

    def resumed(self, trial: Trial | FrozenTrial, unit: str, reached: int) -> None:
        """Write that what follows of a trial is told by this run."""
        arch = log_fields(architecture_of(trial))
        self.log.write("trial_resumed", {"trial": trial.number, **arch, unit: reached})

    def begin(self, trial: Trial | FrozenTrial) -> None:
        """Write the start of a trial, once its attributes are known."""
        fields = {"trial": trial.number, "datetime_start": str(trial.datetime_start)}
        if is_own(trial):
            own = log_fields(trial.user_attrs, trial.params)
            self.log.write("trial_start", {**own, **fields})

    def evaluated(self, trial: Trial | FrozenTrial, point: Mapping[str, Any]) -> None:
        """Write a point of the learning curve."""
        (unit, step), *metrics = point.items()
        arch = log_fields(architecture_of(trial))
        fields = {"trial": trial.number, "unit": unit, "step": step, **arch}
        self.log.write("evaluation", {**fields, **dict(metrics)})

    def retried(self, trial: Trial, micro_batch: int) -> None:
        """Write that memory ran out and the trial begins anew."""
        fields = {"trial": trial.number, **log_fields(architecture_of(trial))}
        self.log.write("trial_retry", {**fields, "micro_batch": micro_batch}, level="W")

    def publish(self, trial: FrozenTrial) -> None:
        """Write the end of a trial to the log and the files."""
        own = is_own(trial)
        theirs = {OTHERS: trial.user_attrs, OTHER_PARAMS: trial.params}
        fields = {
            **dict.fromkeys(LOG_EVENTS["trial_end"].first),  # another program's trial has none
            **(log_fields(trial.user_attrs, trial.params) if own else theirs),
            "trial": trial.number,
            "state": trial.state.name,
            "value": trial.value,
            "datetime_start": str(trial.datetime_start),
            "datetime_complete": str(trial.datetime_complete),
        }
        # Some samplers and pruners keep with a trial what they will need; TPE repeats parameters.
        kept = {k: v for k, v in trial.system_attrs.items() if not k.startswith("tpe:")}
        fields |= {"system_attrs": kept} if kept else {}
        if not own or "learning_curve" not in trial.user_attrs:  # another program ended it
            fields["learning_curve"] = None
        if trial.intermediate_values != reported_in(curve_of(trial), self.experiment.metric):
            fields[REPORTED] = trial.intermediate_values
        self.log.write("trial_end", fields, level="W" if "error" in trial.user_attrs else "I")
        self.log.sync()
        self.write_optuna_lines(trial)
        self.write_files(trial)

    def write_files(self, *trials: FrozenTrial) -> None:
        """Write trials' own files and the study's tables; a full disk is noted and survived."""
        try:
            for trial in trials:
                write_json(self.trial_file(trial.number), trial_record(trial))
            write_results(self.out, self.study, self.experiment)
        except OSError as problem:
            self.log.write("note", {"text": f"results not written: {problem}"}, level="W")

    def write_optuna_lines(self, trial: FrozenTrial) -> None:
        """Write the lines that Optuna would print had it called the training itself."""
        name, write = f"Trial {trial.number}", self.log.write_plain
        if trial.state == TrialState.FAIL:
            because = f"because of the following error: {trial.user_attrs.get('error')!r}."
            write(f"{name} failed with parameters: {trial.params} {because}", level="W")
            write(f"{name} failed with value None.", level="W")
        elif trial.state == TrialState.PRUNED:
            write(f"{name} pruned. ")
        elif best := best_of(self.study):
            ended = f"{name} finished with value: {trial.value} and parameters: {trial.params}."
            write(f"{ended} Best is trial {best.number} with value: {best.value}.")

    def counts(self) -> dict[str, int]:
        """Return how many trials are in each state."""
        number = Counter(trial.state for trial in self.study.get_trials(deepcopy=False))
        states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING)
        return {name: number[state] for name, state in zip(COUNTS, states, strict=True)}

    def close_run(self, reason: str) -> None:
        """Close the run in the log, and say what was found."""
        try:
            counts, best = self.counts(), best_of(self.study)
        except Exception as error:  # the storage may be why the run ends
            self.log.write("note", {"text": f"the run ends, {reason}: {error}"}, level="W")
            return
        lead = {"best_trial": best and best.number, "best_value": best and best.value}
        self.log.write("run_end", {"reason": reason, **counts, **lead})
        say(f"{reason}: " + ", ".join(f"{n} {state}" for state, n in counts.items()))
        if best:
            say(f"best: trial {best.number}, {self.experiment.metric} {best.value}")
            say(f"  {architecture_of(best)}\n  {best.params}")
            say(f"One seed per configuration ranks noise. Results are in {self.out}")
