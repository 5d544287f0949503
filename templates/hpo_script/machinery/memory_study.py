"""Memory study: the trials of the log as an Optuna study, for the sampler and the pruner.

Nothing here is durable: the study is rebuilt from the log at each start. Trial n of the log is
trial n of the study, behind the trials that --history brought.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from hpo_script.constants import DIRECTION, METRIC, NAME, PRUNER
from hpo_script.experiment.space import distributions, searched_params, split_type, suggest
from hpo_script.machinery.logged_study import LoggedStudy, LoggedTrial
from hpo_script.machinery.sampler import make_sampler


def reported_values(curve: list[dict[str, Any]]) -> dict[int, float]:
    """Return the metric of each evaluation, by the epoch or step."""
    return {next(iter(point.values())): point[METRIC] for point in curve}


def as_optuna(trial: LoggedTrial) -> FrozenTrial:
    """Return a trial as Optuna has it."""
    params = searched_params(trial.attributes)
    return create_trial(
        state=TrialState[trial.state],
        value=trial.value,
        params=params,
        distributions={name: distributions()[name] for name in params},
        intermediate_values=reported_values(trial.curve),
        system_attrs=trial.system_attrs,
    )


class MemoryStudy:
    """An Optuna study that follows a log."""

    def __init__(self, logged: LoggedStudy, seed: int) -> None:
        self.logged = logged
        kind, arguments = split_type(PRUNER)
        self.pruner = getattr(optuna.pruners, kind)(**arguments)
        self.sampler = make_sampler(seed)
        self.rebuild()

    def rebuild(self, ask: int | None = None, params: Mapping[str, Any] | None = None) -> None:
        """Build the study from the log, with trial `ask` waiting to get its parameters."""
        self.storage: BaseStorage = InMemoryStorage()
        self.study = optuna.create_study(
            storage=self.storage,
            study_name=NAME,
            direction=DIRECTION,
            sampler=self.sampler,
            pruner=self.pruner,
        )
        for line in self.logged.history:
            self.add(history_trial(line))
        self.offset = self.sampler.offset = len(self.logged.history)
        for number in range(max(self.logged.trials, default=-1) + 1):
            if number == ask:
                self.add_waiting(params)
            elif known := self.logged.trials.get(number):
                self.add(as_optuna(known))
            else:  # its line was lost
                self.add(create_trial(state=TrialState.RUNNING))
        self.size = max(self.logged.trials, default=-1) + 1
        self.logged.changed.clear()
        self.logged.reset.clear()

    def add(self, trial: FrozenTrial) -> None:
        """Add a trial behind the last."""
        self.storage.create_new_trial(self.study._study_id, trial)

    def add_waiting(self, params: Mapping[str, Any] | None) -> None:
        """Add a trial that the next ask returns, as `enqueue_trial` does."""
        fixed = {"fixed_params": dict(params)} if params else {}
        self.add(create_trial(state=TrialState.WAITING, system_attrs=fixed))

    def update(self) -> None:
        """Add the new events of the log to the study."""
        for number in sorted(self.logged.changed):
            known, trial_id = self.logged.trials[number], number + self.offset
            if number == self.size:
                self.add(as_optuna(known))
                self.size += 1
            elif number > self.size or number in self.logged.reset:
                self.rebuild()
                return
            else:
                for name, value in known.system_attrs.items():
                    self.storage.set_trial_system_attr(trial_id, name, value)
                for step, value in reported_values(known.curve).items():
                    self.storage.set_trial_intermediate_value(trial_id, step, value)
                if known.finished:
                    values = None if known.value is None else [known.value]
                    self.storage.set_trial_state_values(trial_id, TrialState[known.state], values)
        self.logged.changed.clear()

    def ask(self, number: int, params: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the configuration of a trial; `params` are given, the sampler draws the rest."""
        self.update()
        if number == self.size:
            self.add_waiting(params)
            self.size += 1
        else:
            self.rebuild(number, params)
        return suggest(self.study.ask())

    def system_attrs(self, number: int) -> dict[str, Any]:
        """Return the attributes that sampler and pruner keep with a trial, except those of TPE."""
        attributes = self.storage.get_trial(number + self.offset).system_attrs.items()
        return {name: value for name, value in attributes if not name.startswith("tpe:")}

    def report(self, number: int, step: int, value: float) -> None:
        """Take an evaluation of a trial in training."""
        self.storage.set_trial_intermediate_value(number + self.offset, step, value)

    def prunes(self, number: int) -> bool:
        """Return whether the pruner ends a trial after its last evaluation."""
        return self.pruner.prune(self.study, self.storage.get_trial(number + self.offset))


def history_trial(known: Mapping[str, Any]) -> FrozenTrial:
    """Return a trial of another log."""
    params = known["trial_params"]
    return create_trial(
        state=TrialState[known["state"]],
        value=known["value"],
        params=params,
        distributions={name: distributions()[name] for name in params},
        intermediate_values={int(step): value for step, value in known["curve"].items()},
    )
