"""Search methods, each with the same three calls: ask for a configuration, report, tell.

The script's own method is the rendered script's sampler, space and extremes. Others change one
thing of it, or come from other packages.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import numpy as np
import optuna

from hpogen.configuration.samplers import Tpe

from .grids import FEATURES, SIZES, Config, Grid, Points, grid_of
from .smac3 import Smac

Suggest = Callable[[optuna.Trial], Config]


class Method(Protocol):
    """One search."""

    def ask(self) -> Config:
        """Return the next configuration."""

    def report(self, step: int, value: float) -> bool:
        """Take a point of the learning curve; return whether to stop the trial."""

    def tell(self, value: float, *, pruned: bool) -> None:
        """Take the value of the trial; NaN: it failed."""


class OptunaMethod:
    """A study of Optuna."""

    def __init__(
        self, sampler: optuna.samplers.BaseSampler, pruner: optuna.pruners.BasePruner, ask: Suggest
    ) -> None:
        self.study = optuna.create_study(sampler=sampler, pruner=pruner)
        self.suggest = ask

    def ask(self) -> Config:
        self.trial = self.study.ask()
        return self.suggest(self.trial)

    def report(self, step: int, value: float) -> bool:
        self.trial.report(value, step)
        return self.trial.should_prune()

    def tell(self, value: float, *, pruned: bool) -> None:
        states = optuna.trial.TrialState
        if math.isnan(value):
            self.study.tell(self.trial, state=states.FAIL)
        elif pruned:
            self.study.tell(self.trial, state=states.PRUNED)
        else:
            self.study.tell(self.trial, value)


def pruner_of(grid: Grid) -> optuna.pruners.BasePruner:
    """Return the pruner of a script."""
    kind, arguments = grid.script["split_type"](grid.script["PRUNER"])
    return getattr(optuna.pruners, kind)(**arguments)


def scripted(grid: Grid, seed: int, *overrides: str, extremes: bool = True) -> OptunaMethod:
    """Return the script's own search: its sampler, its space, extreme k as trial k."""
    script = grid_of(grid.budget, *overrides).script

    def suggest(trial: optuna.Trial) -> Config:
        config = script["suggest"](trial)
        return {**config, "arch_idx": script["SPACE"].decode(config)}

    method = OptunaMethod(script["StudySampler"](seed), pruner_of(grid), suggest)
    for arch_idx in script["EXTREME_INDICES"] if extremes else ():
        method.study.enqueue_trial(script["SPACE"].encode(arch_idx))
    return method


def random_draws(grid: Grid, seed: int) -> OptunaMethod:
    """Return random draws from the script's space, without extremes."""
    method = scripted(grid, seed, extremes=False)
    method.study.sampler = optuna.samplers.RandomSampler(seed=seed)
    return method


def optunas_tpe(seed: int, *, multivariate: bool) -> optuna.samplers.TPESampler:
    """Return Optuna's TPE with the default arguments of a configuration."""
    arguments = Tpe().model_dump(exclude={"type"})
    return optuna.samplers.TPESampler(**arguments | {"multivariate": multivariate, "seed": seed})


def optunas(grid: Grid, seed: int, *, multivariate: bool) -> OptunaMethod:
    """Return the script's space and extremes with Optuna's TPE."""
    method = scripted(grid, seed)
    method.study.sampler = optunas_tpe(seed, multivariate=multivariate)
    return method


def suggest_rest(grid: Grid, trial: optuna.Trial) -> Config:
    """Return the parameters besides the architecture."""
    config: Config = {}
    for name, table in grid.searched.items():
        kind, arguments = grid.script["split_type"](table)
        config[name] = getattr(trial, f"suggest_{kind}")(name, **arguments)
    return config


def row_number(grid: Grid, seed: int, *, categorical: bool) -> OptunaMethod:
    """Return a search of the row number of ARCHITECTURES; extremes enqueued."""
    count = len(grid.rows)

    def suggest(trial: optuna.Trial) -> Config:
        if categorical:
            arch_idx = trial.suggest_categorical("arch_idx", list(range(count)))
        else:
            arch_idx = trial.suggest_int("arch_idx", 0, count - 1)
        return {"arch_idx": arch_idx, **suggest_rest(grid, trial)}

    sampler = optunas_tpe(seed, multivariate=False)
    method = OptunaMethod(sampler, pruner_of(grid), suggest)
    for arch_idx in grid.extremes:
        method.study.enqueue_trial({"arch_idx": arch_idx})
    return method


def predecessor(grid: Grid, seed: int) -> OptunaMethod:
    """Return the predecessor's search.

    TPE with 20 random trials over a categorical row number. The ends of width and heads are forced
    in the first trials without a suggestion, so that TPE does not learn their architecture. A
    repeated architecture with a similar dropout trains with another one, which is not recorded.
    """
    forced = [idx for idx, ends in grid.extremes.items() if "d_model" in ends or "heads" in ends]
    sampler = optuna.samplers.TPESampler(n_startup_trials=20, seed=seed)
    last: dict[int, Config] = {}

    def suggest(trial: optuna.Trial) -> Config:
        if trial.number < len(forced):
            arch_idx = forced[trial.number]
        else:
            arch_idx = trial.suggest_categorical("arch_idx", list(range(len(grid.rows))))
        config = suggest_rest(grid, trial)
        known = last.get(arch_idx)
        last[arch_idx] = dict(config)
        near = known and abs(config["dropout"] - known["dropout"]) < 0.08
        if known and near and abs(config["epochs"] - known["epochs"]) < 20:
            config["dropout"] = 0.27 if known["dropout"] < 0.2 else 0.12
        return {"arch_idx": arch_idx, **config}

    return OptunaMethod(sampler, pruner_of(grid), suggest)


class Chosen:
    """A search that chooses points itself; an Optuna study keeps the curves for the pruner."""

    def __init__(self, grid: Grid, seed: int) -> None:
        self.grid, self.chance = grid, np.random.default_rng(seed)
        self.study = optuna.create_study(pruner=pruner_of(grid))
        self.known: list[tuple[float, Config]] = []

    def choose(self) -> Config:
        """Return the next configuration."""
        raise NotImplementedError

    def ask(self) -> Config:
        self.trial = self.study.ask()
        self.config = self.choose()
        return self.config

    def report(self, step: int, value: float) -> bool:
        self.trial.report(value, step)
        return self.trial.should_prune()

    def tell(self, value: float, *, pruned: bool) -> None:
        states = optuna.trial.TrialState
        if failed := math.isnan(value):
            self.study.tell(self.trial, state=states.FAIL)
        elif pruned:
            self.study.tell(self.trial, state=states.PRUNED)
        else:
            self.study.tell(self.trial, value)
        self.known.append((math.inf if failed else value, self.config))


class ExpertPrior(Chosen):
    """PriorBand's sampling on full trainings: random draws, the prior, and round the best.

    The prior is a normal distribution (SD a quarter) round the centre of the aspect and of every
    range. A quarter of the trials is drawn at random; the rest is split between the prior and the
    neighbourhood of the best trial by how probable the best trials are under each.
    """

    SPREAD, AT_RANDOM, BEST = 0.25, 0.25, 3

    def choose(self) -> Config:
        centre = np.full(len(FEATURES), 0.5)
        if self.chance.random() < self.AT_RANDOM:
            return self.near(centre, spread=100.0)
        if len(self.known) < self.BEST:
            return self.near(centre, self.SPREAD)
        best = sorted(self.known, key=lambda known: known[0])[: self.BEST]
        points = [self.grid.point(config) for _, config in best]
        weights = np.arange(self.BEST, 0, -1)
        prior = weights @ [self.density(point, centre) for point in points]
        local = weights @ [self.density(point, points[0]) for point in points]
        if self.chance.random() < prior / (prior + local):
            return self.near(centre, self.SPREAD)
        return self.near(points[0], self.SPREAD)

    def density(self, point: Points, centre: Points) -> float:
        return float(np.exp(-(((point - centre) / self.SPREAD) ** 2).sum() / 2))

    def near(self, centre: Points, spread: float) -> Config:
        """Return a configuration drawn from a normal distribution cut to the grid."""
        candidates = self.grid.random_points(500, self.chance)
        gaps = ((candidates - centre) / spread) ** 2
        weights = np.exp(-gaps.sum(axis=1) / 2) + 1e-12
        point = candidates[self.chance.choice(len(candidates), p=weights / weights.sum())]
        rows = np.flatnonzero((self.grid.sizes == point[: len(SIZES)]).all(axis=1))
        return self.grid.config(int(self.chance.choice(rows)), point)


METHODS: dict[str, Callable[[Grid, int], Method]] = {
    "ours": scripted,
    "predecessor": predecessor,
    "random": random_draws,
    "row number, integer": lambda grid, seed: row_number(grid, seed, categorical=False),
    "row number, categorical": lambda grid, seed: row_number(grid, seed, categorical=True),
    "TPE one by one, Optuna's": lambda grid, seed: optunas(grid, seed, multivariate=False),
    "TPE together, Optuna's": lambda grid, seed: optunas(grid, seed, multivariate=True),
    "expert prior": ExpertPrior,
    "GP, Optuna's": lambda grid, seed: scripted(grid, seed, "sampler.type=gp"),
    "SMAC3": Smac,
}
SLOW = {"GP, Optuna's": 20, "SMAC3": 10}  # studies of methods that need 8 and 12 s for each
