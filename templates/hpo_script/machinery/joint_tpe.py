"""Joint TPE: all parameters of a trial together, near those of the good trials.

The joint TPE of Optuna draws differently from version to version (5.0 dropped its wide kernels);
this one depends on trials and seed only. A value is a place in its range, from 0 to 1, or in the
list of its choices; NaN stands for a parameter that a trial lacks.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from hpo_script.experiment.space import distributions

GOOD_SHARE = 0.3  # of the finished trials
LAST = (2.0,)  # the rank of running and failed trials


class JointTpe(optuna.samplers.BaseSampler):
    """Draws candidates near the good trials and takes the one that is farthest from the others.

    Each trial is a kernel of a density over all parameters. One more kernel is even.
    """

    def __init__(self, seed: int, n_startup_trials: int, n_ei_candidates: int) -> None:
        self.chance = np.random.default_rng(seed)
        self.n_startup_trials, self.n_candidates = n_startup_trials, n_ei_candidates

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> Any:
        del study, trial
        return distributions()  # also those whose condition fails: they are drawn in vain

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, search_space: Any) -> Any:
        del trial
        sign = 1 if study.direction.name == "MINIMIZE" else -1
        known = [other for other in study.get_trials(deepcopy=False) if other.params]
        known.sort(key=lambda other: rank(other, sign))  # the order of numbers among equals
        n_ended = sum(rank(other, sign) < LAST for other in known)
        started = n_ended >= self.n_startup_trials
        n_good = math.ceil(GOOD_SHARE * n_ended) if started else 0
        items = search_space.items()
        rows = [[place_of(space, other.params.get(n)) for n, space in items] for other in known]
        even = [math.nan] * len(items)
        good, others = np.array([*rows[:n_good], even]), np.array([*rows[n_good:], even])
        sizes = np.array([len(getattr(space, "choices", ())) for space in search_space.values()])
        points = draw(good, sizes, self.n_candidates if started else 1, self.chance)
        ratios = log_density(points, good, sizes) - log_density(points, others, sizes)
        best = points[np.argmax(ratios)].tolist()
        return {n: value_at(space, at) for (n, space), at in zip(items, best, strict=True)}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, name: str, distribution: Any
    ) -> Any:
        return self.sample_relative(study, trial, {name: distribution})[name]


def rank(trial: FrozenTrial, sign: int) -> tuple[float, ...]:
    """Return the order of a trial: complete ones by value, pruned ones by length and value."""
    if trial.state == TrialState.COMPLETE and trial.value is not None:
        return 0, sign * trial.value
    if trial.state == TrialState.PRUNED and trial.intermediate_values:
        step, value = max(trial.intermediate_values.items())
        return 1, -step, sign * value
    return LAST


def width(centres: Any) -> float:
    """Return the SD of kernels, which narrows as they become more."""
    count, n_columns = centres.shape
    return max(0.2 * count ** (-1 / (n_columns + 4)), 1 / (count + 1))


def draw(centres: Any, sizes: Any, count: int, chance: np.random.Generator) -> Any:
    """Return points, each near a kernel, every kernel equally likely."""
    chosen = centres[chance.integers(len(centres), size=count)]
    moved = chosen + width(centres) * chance.standard_normal(chosen.shape)
    near = np.abs((moved + 1) % 2 - 1)  # reflected into the range
    stays = chance.random(chosen.shape) > sizes / (sizes + len(centres))
    near = np.where(sizes == 0, near, np.where(stays, chosen, np.nan))
    return np.where(np.isnan(near), chance.random(chosen.shape), near)


def log_density(points: Any, centres: Any, sizes: Any) -> Any:
    """Return the log of the density of kernels at points."""
    bells = np.zeros((len(points), *centres.shape))
    for image in (centres, -centres, 2 - centres):  # reflected at the ends of a range
        bells += np.exp(-(((points[:, None] - image) / width(centres)) ** 2) / 2)
    bells /= width(centres) * math.sqrt(2 * math.pi)
    same = np.floor(points * sizes)[:, None] == np.floor(centres * sizes)
    spread = sizes / (sizes + len(centres))
    ratio = np.where(sizes == 0, bells, spread + (1 - spread) * sizes * same)
    logs = np.where(np.isnan(centres), 0.0, np.log(ratio + 1e-300))
    return np.logaddexp.reduce(logs.sum(axis=2), axis=1) - math.log(len(centres))


def range_of(space: Any) -> tuple[Any, float, float, float]:
    """Return scale, low, high and step of a parameter, of its position if it is categorical."""
    if hasattr(space, "choices"):
        return float, 0, len(space.choices) - 1, 1
    return math.log if space.log else float, space.low, space.high, space.step or 0


def place_of(space: Any, value: Any) -> float:
    if value is None:
        return math.nan
    scale, low, high, step = range_of(space)
    start, end = scale(low - step / 2), scale(high + step / 2)
    return (scale(space.to_internal_repr(value)) - start) / (end - start or 1)


def value_at(space: Any, place: float) -> Any:
    scale, low, high, step = range_of(space)
    start, end = scale(low - step / 2), scale(high + step / 2)
    number = start + place * (end - start)
    number = math.exp(number) if scale is math.log else number
    if step:
        number = low + round((number - low) / step) * step
    return space.to_external_repr(min(high, max(low, number)))
