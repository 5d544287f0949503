"""Optuna study: the trials of the log in memory, for the sampler and the pruner.

Nothing here is durable: the study is rebuilt from the log at each start. Trial n of the log is
trial n of the study, after the trials of --history.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from hpo_script.constants import DIRECTION, METRIC, NAME, PRUNER
from hpo_script.experiment.space import distributions, searched_params, split_type, suggest
from hpo_script.machinery.logged_study import LoggedStudy, LoggedTrial
from hpo_script.machinery.sampler import StudySampler


def as_optuna(trial: LoggedTrial) -> FrozenTrial:
    params, space = searched_params(trial.attributes), distributions()
    hidden = trial.finished and trial.rerun_of is not None  # would bias the sampler
    return optuna.trial.create_trial(
        state=TrialState["FAIL" if hidden else trial.state],
        value=None if hidden else trial.value,
        params=params,
        distributions={name: space[name] for name in params},
        intermediate_values={next(iter(point.values())): point[METRIC] for point in trial.curve},
        system_attrs=trial.system_attrs,
    )


class OptunaStudy:
    """An Optuna study that follows a log."""

    def __init__(self, logged: LoggedStudy, seed: int) -> None:
        self.logged = logged
        kind, arguments = split_type(PRUNER)
        self.pruner = getattr(optuna.pruners, kind)(**arguments)
        self.sampler = StudySampler(seed)

    def rebuild(self) -> None:
        self.storage: Any = optuna.storages.InMemoryStorage()
        self.setup: dict[str, Any] = {"storage": self.storage, "study_name": NAME}
        self.setup |= {"sampler": self.sampler, "pruner": self.pruner}
        self.study = optuna.create_study(direction=DIRECTION, **self.setup)
        for known in self.logged.history:
            self.study.add_trial(as_optuna(known))
        self.offset = self.sampler.offset = len(self.logged.history)
        self.logged.changed.update(self.logged.trials)
        self.update()

    def update(self, size: int = 0) -> None:
        """Add the new events of the log to the study, and running trials up to a size."""
        for number in sorted(self.logged.changed):
            known = self.logged.trials[number]
            if known.datetime_start and not self.take(number, as_optuna(known)):
                self.rebuild()
                break
        self.logged.changed.clear()
        self.fill(size)

    def fill(self, size: int) -> int:
        """Add running trials up to a size, which no line has named yet; return the size."""
        found = len(self.study.get_trials(deepcopy=False)) - self.offset
        for _ in range(found, size):
            self.study.add_trial(optuna.trial.create_trial(state=TrialState.RUNNING))
        return max(found, size)

    def take(self, number: int, new: FrozenTrial) -> bool:
        """Add a trial, or what is new of it; return False if it was started again."""
        if self.fill(number) == number:
            self.study.add_trial(new)
            return True
        trial_id = number + self.offset
        known = self.storage.get_trial(trial_id)
        void = known.intermediate_values.keys() - new.intermediate_values.keys()
        if void or known.params != new.params:
            return False
        for name, value in new.system_attrs.items():
            self.storage.set_trial_system_attr(trial_id, name, value)
        for step, value in new.intermediate_values.items():
            self.storage.set_trial_intermediate_value(trial_id, step, value)
        if new.state.is_finished():
            self.storage.set_trial_state_values(trial_id, new.state, new.values)
        return True

    def ask(self, number: int, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration of a trial; `params` are given, the sampler draws the rest."""
        self.update(number + 1)
        trial_id = number + self.offset
        if params:
            self.storage.set_trial_system_attr(trial_id, "fixed_params", dict(params))
        study = optuna.load_study(**self.setup)  # it has no cache of trials from before
        return suggest(optuna.Trial(study, trial_id))

    def kept(self, number: int) -> dict[str, Any]:
        """Return the log field with what sampler and pruner, TPE apart, keep with a trial."""
        attributes = self.storage.get_trial(number + self.offset).system_attrs.items()
        found = {name: value for name, value in attributes if not name.startswith("tpe:")}
        return {"system_attrs": found} if found else {}

    def report(self, number: int, step: int, value: float) -> None:
        self.storage.set_trial_intermediate_value(number + self.offset, step, value)

    def prunes(self, number: int) -> bool:
        """Return whether the pruner ends a trial after its last evaluation."""
        return self.pruner.prune(self.study, self.storage.get_trial(number + self.offset))
