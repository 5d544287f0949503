"""Optuna journals: files of operations, often named .log, that hold whole studies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from recover_trials.model import Study, Trial

STATES = ("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING")
DIRECTIONS = {1: "minimize", 2: "maximize"}
WHOLE = {"IntDistribution", "IntUniformDistribution", "IntLogUniformDistribution"}


class Journal:
    """Replays operations as Optuna does: what comes too late or twice has no effect."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.studies: dict[int, Study] = {}
        self.directions: dict[int, list[str]] = {}
        self.trials: list[tuple[int, Trial]] = []
        self.created = self.damaged = 0
        self.cache: dict[str, dict[str, Any]] = {}
        self.steps: dict[int, Callable[[dict[str, Any]], None]] = {
            0: self.create_study,
            1: lambda said: void(self.studies.pop(said["study_id"], None)),
            2: lambda said: self.describe_study(said, "user_attrs", said["user_attr"]),
            3: lambda said: self.describe_study(said, "system_attrs", said["system_attr"]),
            4: self.create_trial,
            5: self.set_parameter,
            6: self.set_state,
            7: self.report,
            8: lambda said: self.describe(said, "user_attrs", said["user_attr"]),
            9: lambda said: self.describe(said, "system_attrs", said["system_attr"]),
            10: void,
        }

    def feed(self, line: bytes) -> None:
        """Take a line; one that is torn or makes no sense is counted."""
        if not line.strip():
            return
        try:
            said = json.loads(line)
            self.steps[said["op_code"]](said)
        except (
            LookupError,
            ValueError,
            TypeError,
            ArithmeticError,
            AttributeError,
            RecursionError,
        ):
            self.damaged += 1

    def finish(self) -> list[Study]:
        """Return the studies; trials that wait have not started and are left out."""
        for study in self.studies.values():
            study.trials = {
                number: told for number, told in study.trials.items() if told[0].state != "WAITING"
            }
        return [*self.studies.values()]

    def create_study(self, said: dict[str, Any]) -> None:
        """A study is created, unless its name is known."""
        name = said["study_name"]
        if any(study.name == name for study in self.studies.values()):
            return
        directions = [DIRECTIONS.get(number, "not set") for number in said["directions"]]
        study = Study(f"{self.source}#{name}", name, self.source, told_name=name)
        if len(directions) == 1:
            study.about["direction"] = directions[0]
        study.about |= {"study_name": name, "directions": directions, "search_space": {}}
        self.studies[self.created] = study
        self.created += 1

    def describe_study(self, said: dict[str, Any], kind: str, told: dict[str, Any]) -> None:
        """A study gets attributes."""
        self.studies[said["study_id"]].about.setdefault(kind, {}).update(told)

    def create_trial(self, said: dict[str, Any]) -> None:
        """A trial is created; one that was added whole comes with its end."""
        study = self.studies.get(said["study_id"])
        if study is None:
            return
        trial = Trial(len(study.trials), STATES[said.get("state", 0)])
        trial.datetime_start = local_time(said.get("datetime_start"))
        trial.datetime_complete = local_time(said.get("datetime_complete"))
        for name, text in said.get("distributions", {}).items():
            trial.distributions[name] = self.distribution(study, name, text)
        for name, internal in said.get("params", {}).items():
            trial.params[name] = external(trial.distributions[name], internal)
        trial.user_attrs = dict(said.get("user_attrs") or {})
        trial.system_attrs = dict(said.get("system_attrs") or {})
        curve = said.get("intermediate_values") or {}
        trial.intermediate_values = {int(step): value for step, value in curve.items()}
        values = said.get("values") or ([said["value"]] if said.get("value") is not None else [])
        trial.values = tuple(values)
        study.trials[trial.number] = [trial]
        self.trials.append((said["study_id"], trial))

    def running(self, said: dict[str, Any]) -> Trial | None:
        """Return the trial of an operation; None for one that has ended."""
        _, trial = self.trials[said["trial_id"]]
        return trial if trial.state in ("RUNNING", "WAITING") else None

    def set_parameter(self, said: dict[str, Any]) -> None:
        """A trial gets a parameter."""
        trial = self.running(said)
        if trial:
            study = self.studies[self.trials[said["trial_id"]][0]]
            name = said["param_name"]
            told = self.distribution(study, name, said["distribution"])
            trial.distributions[name] = told
            trial.params[name] = external(told, said["param_value_internal"])

    def set_state(self, said: dict[str, Any]) -> None:
        """A trial starts or ends."""
        trial, state = self.running(said), STATES[said["state"]]
        if trial is None or (state == trial.state == "RUNNING"):
            return
        if state == "RUNNING":
            trial.datetime_start = local_time(said["datetime_start"])
        elif state != "WAITING":
            trial.datetime_complete = local_time(said["datetime_complete"])
        trial.state = state
        if said.get("values") is not None:
            trial.values = tuple(said["values"])

    def report(self, said: dict[str, Any]) -> None:
        """A trial reports an intermediate value."""
        if trial := self.running(said):
            trial.intermediate_values[said["step"]] = said["intermediate_value"]

    def describe(self, said: dict[str, Any], kind: str, told: dict[str, Any]) -> None:
        """A trial gets attributes."""
        if trial := self.running(said):
            getattr(trial, kind).update(told)

    def distribution(self, study: Study, name: str, text: str) -> dict[str, Any]:
        """Return a distribution, one object for all trials that have it."""
        found = self.cache.get(text)
        if found is None:
            found = self.cache[text] = json.loads(text)
        study.about["search_space"][name] = found
        return found


def void(_: object) -> None:
    """Take what changes nothing."""


def external(distribution: dict[str, Any], internal: float) -> Any:
    """Return a parameter as the objective saw it."""
    if distribution["name"] == "CategoricalDistribution":
        return distribution["attributes"]["choices"][int(internal)]
    return int(internal) if distribution["name"] in WHOLE else internal


def local_time(text: str | None) -> datetime | None:
    """Return a time as Optuna has it: local, without a zone."""
    return datetime.fromisoformat(text).astimezone().replace(tzinfo=None) if text else None


def read_journal(blocks: Iterable[bytes], source: str) -> tuple[list[Study], int]:
    """Return the studies of a journal, and how many of its lines could not be read."""
    journal = Journal(source)
    for block in blocks:
        for line in block.split(b"\n"):
            journal.feed(line)
    return journal.finish(), journal.damaged
