"""Sampler, every argument written out: Optuna's defaults change with its versions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from hpo_script.streams import stream_seed


class KeyedSampler(optuna.samplers.BaseSampler):
    """A sampler of Optuna whose draws depend on seed, trial number and history alone.

    One seeded once repeats its first draws after a restart; here each trial, and each parameter
    drawn on its own, has a stream of its own.
    """

    def __init__(self, seed: int, arguments: Mapping[str, Any]) -> None:
        self.seed, self.arguments = seed, arguments

    def inner(self, trial_number: int, purpose: str) -> optuna.samplers.BaseSampler:
        """Return the sampler of one draw."""
        arguments = dict(self.arguments)
        kind = getattr(optuna.samplers, arguments.pop("type"))
        seed = stream_seed(self.seed, trial_number, purpose) % 2**32
        with warnings.catch_warnings():
            # Arguments named in full are partly deprecated, partly experimental.
            warnings.simplefilter("ignore")
            return kind(seed=seed, **arguments)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the parameters drawn together."""
        # The draw below needs what this step finds.
        self.together = self.inner(trial.number, "together")
        return self.together.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw the parameters of the search space together."""
        return self.together.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw one parameter."""
        alone = self.inner(trial.number, f"alone:{param_name}")
        return alone.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Keep nothing."""


def make_sampler(
    seed: int, arguments: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
) -> KeyedSampler:
    """Return the sampler. Raises ImportError where a package is missing that it needs."""
    del distributions
    sampler = KeyedSampler(seed, arguments)
    sampler.inner(0, "check")
    return sampler
