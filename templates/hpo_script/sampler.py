"""Sampler and pruner, with every argument written out: Optuna's defaults change with versions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState

from hpo_script.arch_space import ArchSpace
from hpo_script.streams import stream_seed


class KeyedSampler(optuna.samplers.BaseSampler):
    """TPE whose draws depend on the seed, the trial's number and the history alone.

    A sampler seeded once repeats its first draws after a restart; here each trial, and each
    parameter drawn on its own, has a stream of its own.
    """

    def __init__(self, seed: int, arguments: Mapping[str, Any]) -> None:
        self.seed, self.arguments = seed, arguments

    def tpe(self, trial: FrozenTrial, purpose: str) -> optuna.samplers.TPESampler:
        """Return the sampler of one draw."""
        seed = stream_seed(self.seed, trial.number, purpose) % 2**32
        with warnings.catch_warnings():
            # Arguments named in full are partly deprecated, partly experimental.
            warnings.simplefilter("ignore")
            return optuna.samplers.TPESampler(seed=seed, **self.arguments)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters drawn together."""
        return self.tpe(trial, "space").infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw the parameters of the search space together."""
        return self.tpe(trial, "together").sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw one parameter."""
        tpe = self.tpe(trial, f"alone:{param_name}")
        return tpe.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Keep nothing."""


def make_pruner(arguments: Mapping[str, Any]) -> optuna.pruners.MedianPruner:
    """Return the pruner: it stops a trial whose best so far is behind the median of the others."""
    return optuna.pruners.MedianPruner(**arguments)


def search_distributions(
    space: ArchSpace, search_space: Mapping[str, Mapping[str, Any]]
) -> dict[str, BaseDistribution]:
    """Return every searched parameter: the architecture's, then those of SEARCH_SPACE."""
    kinds = {"float": FloatDistribution, "int": IntDistribution}
    found: dict[str, BaseDistribution] = {
        name: IntDistribution(0, size - 1) for name, size in space.sizes().items()
    }
    for name, entry in search_space.items():
        arguments = {key: value for key, value in entry.items() if key != "type"}
        kind = kinds.get(entry["type"], CategoricalDistribution)
        found[name] = kind(**arguments)
    return found
