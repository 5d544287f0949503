"""Sampler: every combination once, in an order that the seed decides."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from hpo_script.streams import stream_seed


class GridSampler(optuna.samplers.BaseSampler):
    """Gives a trial the first combination that no other has; after the last it begins anew."""

    def __init__(self, seed: int, distributions: Mapping[str, BaseDistribution]) -> None:
        self.distributions = dict(distributions)
        values = [list(grid_values(distribution)) for distribution in distributions.values()]
        cells = itertools.product(*values)
        self.cells = sorted(cells, key=lambda cell: stream_seed(seed, repr(cell)))

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return all parameters."""
        del study, trial
        return self.distributions

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a combination that has the values a queued trial was given."""
        del search_space
        given = trial.system_attrs.get("fixed_params", {})
        others = [other.params for other in study.get_trials(deepcopy=False)]
        taken = {tuple(params.get(name) for name in self.distributions) for params in others}
        cells = [dict(zip(self.distributions, cell, strict=True)) for cell in self.cells]
        fitting = [cell for cell in cells if given.items() <= cell.items()] or cells
        free = (cell for cell in fitting if tuple(cell.values()) not in taken)
        return next(free, fitting[trial.number % len(fitting)])

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Refuse: every parameter is part of the grid."""
        del study, trial, param_distribution
        raise ValueError(f"{param_name} is not in the grid")

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Keep nothing."""


def grid_values(distribution: BaseDistribution) -> Iterator[Any]:
    """Yield the values of a parameter. Raises TypeError where they cannot be counted."""
    if isinstance(distribution, IntDistribution):
        yield from range(distribution.low, distribution.high + 1, distribution.step)
    elif isinstance(distribution, CategoricalDistribution):
        yield from distribution.choices
    else:
        raise TypeError(f"{distribution} has no grid")


def make_sampler(
    seed: int, arguments: Mapping[str, Any], distributions: Mapping[str, BaseDistribution]
) -> GridSampler:
    """Return the sampler."""
    del arguments
    return GridSampler(seed, distributions)
