"""Joint TPE: all parameters of a trial together, near those of the good trials.

The tree-structured Parzen estimator (Bergstra et al. 2011) with one density over all parameters.
Optuna's own TPE draws differently from version to version (5.0 dropped its wide kernels); this one
depends on trials and seed only. In a density, a value is a number from 0 to 1, or the place in
the list of its choices; NaN stands for a parameter that a trial lacks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from hpo_script.constants import SAMPLER
from hpo_script.experiment.space import distributions
from hpo_script.experiment.training import stream_seed

GOOD_SHARE = 0.3  # of the finished trials
LAST = (2.0,)  # the rank of running and failed trials


class StudySampler(optuna.samplers.BaseSampler):
    """The joint TPE; each trial has a random stream of its own, so that a restart changes none."""

    sample_independent: Any = None  # Optuna requires it; no parameter is drawn on its own

    def __init__(self, seed: int) -> None:
        self.seed, self.offset = seed, 0  # trials of --history come before trial 0

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Any:
        del study, trial
        return distributions()  # also those whose condition fails: drawn but unused

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Any) -> Any:
        seed = stream_seed(self.seed, trial.number - self.offset, "together") % 2**32
        arguments = SAMPLER["n_startup_trials"], SAMPLER["n_ei_candidates"]
        return suggest_together(study, search_space, np.random.default_rng(seed), *arguments)


def suggest_together(
    study: optuna.Study, space: Any, rng: np.random.Generator, n_startup: int, n_candidates: int
) -> dict[str, Any]:
    """Return the candidate with the highest ratio of the good density to the other one.

    Each trial is a kernel of one of the two densities; a uniform prior is one more of both.
    """
    sign = 1 if study.direction.name == "MINIMIZE" else -1
    trials = [trial for trial in study.get_trials(deepcopy=False) if trial.params]
    trials.sort(key=lambda trial: rank(trial, sign))  # stable: ties keep the order of numbers
    n_ended = sum(rank(trial, sign) < LAST for trial in trials)
    started = n_ended >= n_startup
    n_good = math.ceil(GOOD_SHARE * n_ended) if started else 0
    rows = [[to_unit(d, trial.params.get(name)) for name, d in space.items()] for trial in trials]
    sizes = np.array([len(getattr(d, "choices", ())) for d in space.values()])
    good, others = Density(rows[:n_good], sizes), Density(rows[n_good:], sizes)
    points = good.draw(n_candidates if started else 1, rng)
    best = points[np.argmax(good.log(points) - others.log(points))].tolist()
    return {name: from_unit(d, at) for (name, d), at in zip(space.items(), best, strict=True)}


def rank(trial: FrozenTrial, sign: int) -> tuple[float, ...]:
    """Return the order of a trial: complete ones by value, pruned ones by length and value."""
    if trial.state == TrialState.COMPLETE and trial.value is not None:
        return 0, sign * trial.value
    if trial.state == TrialState.PRUNED and trial.intermediate_values:
        step, value = max(trial.intermediate_values.items())
        return 1, -step, sign * value
    return LAST


class Density:
    """A kernel at each row, and the uniform prior; all weigh the same."""

    def __init__(self, rows: Sequence[Any], sizes: Any) -> None:
        self.centres, self.sizes = np.array([*rows, [math.nan] * len(sizes)]), sizes
        count, n_columns = self.centres.shape
        self.width = max(0.2 * count ** (-1 / (n_columns + 4)), 1 / (count + 1))  # SD
        self.spread = sizes / (sizes + count)  # probability of any choice

    def draw(self, count: int, rng: np.random.Generator) -> Any:
        """Return points, each near a kernel."""
        chosen = self.centres[rng.integers(len(self.centres), size=count)]
        moved = chosen + self.width * rng.standard_normal(chosen.shape)
        near = np.abs((moved + 1) % 2 - 1)  # reflected into the range
        stays = rng.random(chosen.shape) > self.spread
        near = np.where(self.sizes == 0, near, np.where(stays, chosen, np.nan))
        return np.where(np.isnan(near), rng.random(chosen.shape), near)

    def log(self, points: Any) -> Any:
        """Return the log of the density at points, up to a constant."""
        centres, at = self.centres, points[:, None]
        images = (centres, -centres, 2 - centres)  # reflected at the ends of a range
        bells = sum(np.exp(-(((at - image) / self.width) ** 2) / 2) for image in images)
        same = np.floor(at * self.sizes) == np.floor(centres * self.sizes)
        choices = self.spread + (1 - self.spread) * self.sizes * same
        bells = bells / (self.width * math.sqrt(2 * math.pi))
        logs = np.log(np.where(self.sizes == 0, bells, choices) + 1e-300)
        return np.logaddexp.reduce(np.where(np.isnan(centres), 0.0, logs).sum(axis=2), axis=1)


def range_of(space: Any) -> tuple[Any, float, float, float]:
    """Return scale, low, high and step of a parameter, of its position if it is categorical."""
    if hasattr(space, "choices"):
        return float, 0, len(space.choices) - 1, 1
    return math.log if space.log else float, space.low, space.high, space.step or 0


def to_unit(space: Any, value: Any) -> float:
    if value is None:
        return math.nan
    scale, low, high, step = range_of(space)
    start, end = scale(low - step / 2), scale(high + step / 2)
    return (scale(space.to_internal_repr(value)) - start) / (end - start or 1)


def from_unit(space: Any, place: float) -> Any:
    scale, low, high, step = range_of(space)
    start, end = scale(low - step / 2), scale(high + step / 2)
    number = start + place * (end - start)
    number = math.exp(number) if scale is math.log else number
    if step:
        number = low + round((number - low) / step) * step
    return space.to_external_repr(min(high, max(low, number)))
