"""Memory study: the trials of the log as an Optuna study, for the sampler and the pruner.

Nothing here is durable: the study is rebuilt from the log at each start. Trial n of the log is
trial n of the study, behind the trials that --history brought.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from hpo_script.constants import DIRECTION, METRIC, NAME, PRUNER
from hpo_script.experiment.shared import Config
from hpo_script.experiment.space import distributions, searched_params, split_type, suggest
from hpo_script.experiment.task import Task
from hpo_script.machinery.logged_study import LoggedStudy, LoggedTrial
from hpo_script.machinery.sampler import StudySampler


def as_optuna(trial: LoggedTrial) -> FrozenTrial:
    params, space = searched_params(trial.attributes), distributions()
    return optuna.trial.create_trial(
        state=TrialState[trial.state],
        value=trial.value,
        params=params,
        distributions={name: space[name] for name in params},
        intermediate_values={next(iter(point.values())): point[METRIC] for point in trial.curve},
        system_attrs=trial.system_attrs,
    )


def first_prunable(task: Task, config: Config) -> float:
    """Return the epoch or step from which a trial may be pruned: a share of its schedule.

    Not during its warm-up: trials with a shorter one are ahead until then.
    """
    intervals = list(task.intervals(config))
    done = itertools.accumulate(interval.n_batches for interval in intervals)
    warm = (i.step for i, n in zip(intervals, done, strict=True) if n > config["warmup_steps"])
    return max(config["prune_from"] * intervals[-1].step, next(warm, float("inf")))


class MemoryStudy:
    """An Optuna study that follows a log."""

    def __init__(self, logged: LoggedStudy, seed: int) -> None:
        self.logged = logged
        kind, arguments = split_type(PRUNER)
        self.pruner = getattr(optuna.pruners, kind)(**arguments)
        self.sampler = StudySampler(seed)

    def rebuild(self) -> None:
        self.storage: Any = optuna.storages.InMemoryStorage()
        self.study = optuna.create_study(
            storage=self.storage,
            study_name=NAME,
            direction=DIRECTION,
            sampler=self.sampler,
            pruner=self.pruner,
        )
        for known in self.logged.history:
            self.storage.create_new_trial(self.study._study_id, as_optuna(known))
        self.offset = self.sampler.offset = len(self.logged.history)
        self.logged.changed.update(self.logged.trials)
        self.update()

    def update(self, size: int = 0) -> None:
        """Take the changed trials of the log; add running ones, which have no line yet, to a size.

        A trial is replaced as a whole: one that starts again loses evaluations.
        """
        named = [n for n in self.logged.changed if self.logged.trials[n].datetime_start]
        size = max(size, *(number + 1 for number in named), 0)
        while self.storage.get_n_trials(self.study._study_id) < size + self.offset:
            self.storage.create_new_trial(self.study._study_id)
        for number in named:
            trial = as_optuna(self.logged.trials[number])
            trial.number = trial._trial_id = number + self.offset
            self.storage._set_trial(trial._trial_id, trial)
        self.logged.changed.clear()

    def ask(self, number: int, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration of a trial; `params` are given, the sampler draws the rest."""
        self.update(number + 1)
        trial_id = number + self.offset
        if params:
            self.storage.set_trial_system_attr(trial_id, "fixed_params", dict(params))
        study = copy.copy(self.study)  # a study caches its trials; a copy begins without
        return suggest(optuna.Trial(study, trial_id))

    def kept(self, number: int) -> dict[str, Any]:
        """Return the field of a line for what sampler and pruner, TPE apart, keep with a trial."""
        attributes = self.storage.get_trial(number + self.offset).system_attrs.items()
        found = {name: value for name, value in attributes if not name.startswith("tpe:")}
        return {"system_attrs": found} if found else {}

    def report(self, number: int, step: int, value: float) -> None:
        self.storage.set_trial_intermediate_value(number + self.offset, step, value)

    def prunes(self, number: int) -> bool:
        """Return whether the pruner ends a trial after its last evaluation."""
        return self.pruner.prune(self.study, self.storage.get_trial(number + self.offset))
