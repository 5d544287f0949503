"""Sampler: every combination once, in an order that the seed decides."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from hpo_script.experiment.space import distributions, searched
from hpo_script.experiment.training import stream_seed


class StudySampler(optuna.samplers.BaseSampler):
    """Gives a trial the first combination that no other has; after the last it begins anew."""

    def __init__(self, seed: int) -> None:
        self.offset = 0
        cells = itertools.product(*(grid_values(table) for table in searched().values()))
        self.cells = sorted(cells, key=lambda cell: stream_seed(seed, repr(cell)))

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return all parameters."""
        del study, trial
        return distributions()

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a combination that agrees with the parameters given to the trial."""
        given = trial.system_attrs.get("fixed_params", {})
        # Of the whole study: Hyperband's bracket of it shows only its own trials.
        others = [other.params for other in optuna.Study.get_trials(study, deepcopy=False)]
        taken = {tuple(params.get(name) for name in search_space) for params in others}
        cells = [dict(zip(search_space, cell, strict=True)) for cell in self.cells]
        fitting = [cell for cell in cells if given.items() <= cell.items()] or cells
        free = (cell for cell in fitting if tuple(cell.values()) not in taken)
        return next(free, fitting[(trial.number - self.offset) % len(fitting)])

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        """Refuse: every parameter is part of the grid."""
        del study, trial, distribution
        raise ValueError(f"{name} is not in the grid")


def grid_values(table: Mapping[str, Any]) -> Sequence[Any]:
    """Return the values of a parameter; the generator lets no float into a grid."""
    if table["type"] == "categorical":
        return table["choices"]
    return range(table["low"], table["high"] + 1, table.get("step", 1))
