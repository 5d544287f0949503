"""Optuna journals, often named .log: replay of their operations rebuilds the studies."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from recover_trials.model import VALUE_MISSING, Study, Trial

STATES = ("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING")
DIRECTIONS = {1: "minimize", 2: "maximize"}
INTEGERS = {"IntDistribution", "IntUniformDistribution", "IntLogUniformDistribution"}


class Journal:
    """Replays operations as Optuna does: an operation on an ended trial has no effect."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.studies: dict[int, Study] = {}
        self.trials: list[tuple[int | None, Trial]] = []  # None: its study is unknown
        self.created = 0
        self.cache: dict[str, dict[str, Any]] = {}
        self.operations: dict[int, Callable[[dict[str, Any]], None]] = {
            0: self.create_study,
            1: lambda operation: ignore(self.studies.pop(operation["study_id"], None)),
            2: lambda operation: self.set_study_attributes(operation, "user_attr"),
            3: lambda operation: self.set_study_attributes(operation, "system_attr"),
            4: self.create_trial,
            5: self.set_parameter,
            6: self.set_state,
            7: self.set_intermediate_value,
            8: lambda operation: self.set_attributes(operation, "user_attr"),
            9: lambda operation: self.set_attributes(operation, "system_attr"),
            10: ignore,
        }

    def apply(self, record: dict[str, Any]) -> bool:
        """Apply a record; return False if Optuna cannot have written it."""
        try:
            self.operations[record["op_code"]](record)
        except (LookupError, ValueError, TypeError, ArithmeticError, AttributeError):
            return False
        return True

    def finish(self) -> list[Study]:
        """Return the studies, without waiting trials, which have not started."""
        for study in self.studies.values():
            study.trials = {
                number: rows for number, rows in study.trials.items() if rows[0].state != "WAITING"
            }
            for trial in study.rows:
                if trial.state == "COMPLETE" and not trial.values:
                    trial.flags.append(VALUE_MISSING)
        return [*self.studies.values()]

    def create_study(self, operation: dict[str, Any]) -> None:
        """Create a study, unless a study of this name exists."""
        name = operation["study_name"]
        if any(study.name == name for study in self.studies.values()):
            return
        directions = [DIRECTIONS.get(number, "not set") for number in operation["directions"]]
        study = Study(f"{self.source}#{name}", name, self.source, optuna_name=name)
        if len(directions) == 1:
            study.about["direction"] = directions[0]
        study.about |= {"study_name": name, "directions": directions, "search_space": {}}
        self.studies[self.created] = study
        self.created += 1

    def set_study_attributes(self, operation: dict[str, Any], kind: str) -> None:
        study, attributes = self.studies[operation["study_id"]], operation[kind]
        study.about.setdefault(f"{kind}s", {}).update(attributes)

    def create_trial(self, operation: dict[str, Any]) -> None:
        """Create a trial, which has already ended if `study.add_trial` wrote the record."""
        study = self.studies.get(operation["study_id"])
        if study is None:
            return
        trial = Trial(len(study.trials), STATES[operation.get("state", 0)])
        trial.datetime_start = local_time(operation.get("datetime_start"))
        trial.datetime_complete = local_time(operation.get("datetime_complete"))
        for name, text in operation.get("distributions", {}).items():
            trial.distributions[name] = self.distribution(operation["study_id"], name, text)
        for name, internal in operation.get("params", {}).items():
            trial.params[name] = external_repr(trial.distributions[name], internal)
        trial.user_attrs = dict(operation.get("user_attrs") or {})
        trial.system_attrs = dict(operation.get("system_attrs") or {})
        curve = operation.get("intermediate_values") or {}
        trial.intermediate_values = {int(step): value for step, value in curve.items()}
        values = operation.get("values") or (
            [operation["value"]] if operation.get("value") is not None else []
        )
        trial.values = tuple(values)
        study.trials[trial.number] = [trial]
        self.trials.append((operation["study_id"], trial))

    def unfinished_trial(self, operation: dict[str, Any]) -> Trial | None:
        """Return the trial of an operation; None if the trial has ended."""
        _, trial = self.trials[operation["trial_id"]]
        return trial if trial.state in ("RUNNING", "WAITING") else None

    def set_parameter(self, operation: dict[str, Any]) -> None:
        trial = self.unfinished_trial(operation)
        if trial:
            study, name = self.trials[operation["trial_id"]][0], operation["param_name"]
            distribution = self.distribution(study, name, operation["distribution"])
            trial.distributions[name] = distribution
            trial.params[name] = external_repr(distribution, operation["param_value_internal"])

    def set_state(self, operation: dict[str, Any]) -> None:
        """Start or end a trial."""
        trial, state = self.unfinished_trial(operation), STATES[operation["state"]]
        if trial is None or (state == trial.state == "RUNNING"):
            return
        if state == "RUNNING":
            trial.datetime_start = local_time(operation["datetime_start"])
        elif state != "WAITING":
            trial.datetime_complete = local_time(operation["datetime_complete"])
        trial.state = state
        if operation.get("values") is not None:
            trial.values = tuple(operation["values"])

    def set_intermediate_value(self, operation: dict[str, Any]) -> None:
        if trial := self.unfinished_trial(operation):
            trial.intermediate_values[operation["step"]] = operation["intermediate_value"]

    def set_attributes(self, operation: dict[str, Any], kind: str) -> None:
        attributes = operation[kind]
        if trial := self.unfinished_trial(operation):
            getattr(trial, f"{kind}s").update(attributes)

    def distribution(self, study: int | None, name: str, text: str) -> dict[str, Any]:
        """Return the distribution of a JSON text; equal texts share one object."""
        if text not in self.cache:
            self.cache[text] = json.loads(text)
        if study is not None:
            self.studies[study].about["search_space"][name] = self.cache[text]
        return self.cache[text]


def ignore(_: object) -> None:
    """Accept an operation that does not change trials."""


def external_repr(distribution: dict[str, Any], internal: float) -> Any:
    """Return the parameter value that the objective gets for a number in the storage.

    Raises an error if the storage holds no number, or no choice of the distribution.
    """
    if not isinstance(internal, (int, float)):
        raise TypeError(internal)
    if distribution["name"] == "CategoricalDistribution":
        choices: list[Any] = distribution["attributes"]["choices"]
        return choices[int(internal) if internal >= 0 else len(choices)]
    return int(internal) if distribution["name"] in INTEGERS else internal


def local_time(text: str | None) -> datetime | None:
    """Return a time in local time, without a time zone, as Optuna returns it."""
    return datetime.fromisoformat(text).astimezone().replace(tzinfo=None) if text else None
