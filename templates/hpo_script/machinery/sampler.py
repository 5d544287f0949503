"""Sampler, every argument written out: Optuna's defaults change with its versions."""

from __future__ import annotations

import warnings
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from hpo_script.experiment import Experiment, Table
from hpo_script.streams import stream_seed
from hpo_script.suggest import split


class WithinSpace(optuna.Study):
    """A study without trials that lie outside of its search space: they lack some parameters.

    What a finished trial lacks would no longer be drawn together with the others.
    """

    def __init__(self, study: optuna.Study) -> None:
        self.whole = study  # of Hyperband: a bracket's, which shows few attributes

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)

    def _get_trials(self, *args: Any, **options: Any) -> list[FrozenTrial]:
        found = self.whole._get_trials(*args, **options)
        return [trial for trial in found if "outside_space" not in trial.user_attrs]


class KeyedSampler(optuna.samplers.BaseSampler):
    """A sampler of Optuna whose draws depend on seed, trial number and history alone.

    One seeded once repeats its first draws after a restart; here each trial, and each parameter
    drawn on its own, has a stream of its own. Raises ImportError where a package is missing.
    """

    def __init__(self, seed: int, table: Table) -> None:
        self.seed, self.table = seed, table
        self.inner(0, "check")

    def inner(self, trial_number: int, purpose: str) -> optuna.samplers.BaseSampler:
        """Return the sampler of one draw."""
        kind, arguments = split(self.table)
        seed = stream_seed(self.seed, trial_number, purpose) % 2**32
        with warnings.catch_warnings():
            # Arguments named in full are partly deprecated, partly experimental.
            warnings.simplefilter("ignore")
            return getattr(optuna.samplers, kind)(seed=seed, **arguments)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters drawn together."""
        self.together = self.inner(trial.number, "together")  # keeps what the draw below needs
        return self.together.infer_relative_search_space(WithinSpace(study), trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw these."""
        return self.together.sample_relative(WithinSpace(study), trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        """Draw one parameter on its own."""
        alone = self.inner(trial.number, f"alone:{name}")
        return alone.sample_independent(study, trial, name, distribution)


def make_sampler(experiment: Experiment) -> KeyedSampler:
    """Return the sampler of a study."""
    return KeyedSampler(experiment.seed, experiment.sampler)
