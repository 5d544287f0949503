"""NSGA-II: the parents of a generation are chosen anew for each trial, from the log alone.

Optuna stores the parents with the study, and returns stored ones in another order than those it
has just chosen. A study that is rebuilt from a log has none stored: a resumed run would draw other
trials. The generation of a trial is in its lines.
"""

from __future__ import annotations

from typing import Any

import optuna
from optuna.trial import FrozenTrial

from hpo_script.constants import SAMPLER
from hpo_script.experiment.space import split_type
from hpo_script.experiment.training import stream_seed
from hpo_script.machinery.sampler import StudySampler as AnySampler


class Nsga2(optuna.samplers.NSGAIISampler):
    """NSGA-II without stored parents."""

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Any) -> Any:
        self.parents: list[FrozenTrial] = []
        for generation in range(1, self.get_trial_generation(study, trial) + 1):
            self.parents = self.select_parent(study, generation)
        return super().sample_relative(study, trial, search_space)

    def get_parent_population(self, study: optuna.Study, generation: int) -> list[FrozenTrial]:
        del study, generation
        return self.parents


class StudySampler(AnySampler):
    """NSGA-II, seeded anew for each draw."""

    def seeded(self, number: int, purpose: str) -> Nsga2:
        if not hasattr(optuna.samplers, "BaseGASampler"):
            raise ImportError("NSGA-II needs Optuna 4.3: python -m pip install 'optuna>=4.3,<6'")
        _, arguments = split_type(SAMPLER)
        seed = stream_seed(self.seed, number - self.offset, purpose) % 2**32
        return Nsga2(seed=seed, **arguments)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Set the generation of a trial, which otherwise only drawn parameters would do."""
        self.seeded(trial.number, "generation").get_trial_generation(study, trial)
