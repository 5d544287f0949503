"""Sampler: draws that depend on seed, trial number and history only.

A sampler that is seeded once repeats its first draws after a restart. Here each trial, and each
parameter that is drawn on its own, has a random stream of its own.
"""

from __future__ import annotations

import warnings
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from hpo_script.constants import SAMPLER
from hpo_script.experiment.space import split_type
from hpo_script.experiment.training import stream_seed


class StudySampler(optuna.samplers.BaseSampler):
    """The sampler of SAMPLER, seeded anew for each draw."""

    def __init__(self, seed: int) -> None:
        self.seed, self.offset = seed, 0  # trials of --history come before trial 0
        self.seeded(0, "check")  # raises ImportError where a package is missing

    def seeded(self, number: int, purpose: str) -> optuna.samplers.BaseSampler:
        kind, arguments = split_type(SAMPLER)
        seed = stream_seed(self.seed, number - self.offset, purpose) % 2**32
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some arguments are deprecated, some experimental
            return getattr(optuna.samplers, kind)(seed=seed, **arguments)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Any:
        self.together = self.seeded(trial.number, "together")  # `sample_relative` needs its state
        return self.together.infer_relative_search_space(study, trial)

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Any) -> Any:
        return self.together.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, name: str, distribution: Any
    ) -> Any:
        alone = self.seeded(trial.number, f"alone:{name}")
        return alone.sample_independent(study, trial, name, distribution)
