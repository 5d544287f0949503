"""Fits of L(N, D) = E + A·N^-α + B·D^-β to training runs that differ in size and length.

This is the law of Hoffmann et al. 2022 (arXiv 2203.15556, approach 3). Variable projection: for
given α and β, the law is linear in E, A and B, which are solved for with none below 0, so only the
exponents are searched, on a grid whose cells shrink. Parabolas through runs of equal compute, as
in approach 2 of that paper, would bias the optimal size (arXiv 2603.22339). The errors are
relative, under Huber's loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from statistics import fmean
from typing import Any

import numpy as np

from hpogen.scaling.curve_fit import Floats
from hpogen.scaling.exponent_interval import interval_of
from hpogen.scaling.training_runs import Run

HUBER = 0.001  # as in the paper: relative errors of more than 0.1 % count linearly
ROUNDS = 4  # of reweighting for Huber's loss
LOWEST, HIGHEST = 0.02, 3.0  # searched exponents
FIRST, COARSE = 20, 12  # points per exponent of the first grid, and in draws
ZOOM, ZOOMS = 5, 5  # points per exponent of the finer grids, and their number
DRAWS = 200
MOST_NUMBERS = 1_000_000  # of a matrix of one step, so that a step needs less than 200 MB
SIZES, BEYOND = 4000, 3.0  # sizes among which the best one is searched; e^3 beyond the runs
FEWEST_RUNS, FEWEST_VALUES = 12, 3  # runs; different sizes, and different numbers of tokens
SUBSETS = [list(columns) for size in (3, 2, 1) for columns in combinations(range(3), size)]


@dataclass(frozen=True)
class Surface:
    """A fitted law.

    Attributes:
        alpha: exponent of the size.
        beta: exponent of the number of training tokens.
        floor: E, the loss that neither size nor tokens remove.
        size_factor: A, for N in parameters.
        token_factor: B, for D in tokens.
    """

    alpha: float
    beta: float
    floor: float
    size_factor: float
    token_factor: float

    @property
    def at_bound(self) -> bool:
        """Return whether an exponent is an end of its range, or a factor is 0."""
        ends = (LOWEST * 1.01, HIGHEST / 1.01)
        inside = all(ends[0] < value < ends[1] for value in (self.alpha, self.beta))
        return not inside or min(self.size_factor, self.token_factor) <= 0

    def loss(self, size: Any, tokens: Any) -> Any:
        """Return the loss at a size and a number of tokens, or at arrays of them."""
        by_size = self.size_factor * size**-self.alpha
        return self.floor + by_size + self.token_factor * tokens**-self.beta


@dataclass(frozen=True)
class SurfaceFit:
    """A law with its draws of the bootstrap, which resamples runs."""

    runs: Sequence[Run]
    law: Surface
    draws: Sequence[Surface]

    @property
    def share_at_bound(self) -> float:
        return sum(draw.at_bound for draw in self.draws) / len(self.draws)

    @cached_property
    def sizes(self) -> tuple[Floats, Floats]:
        """Return sizes among which the best one is searched, and their FLOP per training token.

        That is interpolated between the sizes of the runs, in logarithms: it is proportional to
        the size only if the convention counts exactly the parameters that are multiplied.
        """
        costs: dict[float, list[float]] = {}
        for run in self.runs:
            costs.setdefault(math.log(run.size), []).append(math.log(run.flops / run.tokens))
        x = np.array(sorted(costs))
        y = np.array([fmean(costs[size]) for size in x])
        grid = np.linspace(x[0] - BEYOND, x[-1] + BEYOND, SIZES)
        slopes = np.diff(y)[[0, -1]] / np.diff(x)[[0, -1]]
        cost = np.interp(grid, x, y)
        cost += np.minimum(grid - x[0], 0) * slopes[0] + np.maximum(grid - x[-1], 0) * slopes[1]
        return np.exp(grid), np.exp(cost)

    def optimum(self, law: Surface, flops: float) -> tuple[float, float]:
        """Return size and tokens of the lowest loss for a compute; nan at a bound."""
        sizes, cost = self.sizes
        best = int(law.loss(sizes, flops / cost).argmin())
        if law.at_bound or best in (0, SIZES - 1):
            return math.nan, math.nan
        return float(sizes[best]), float(flops / cost[best])

    @cached_property
    def flops(self) -> tuple[float, float]:
        """Return the lowest and the highest compute of the runs."""
        flops = [run.flops for run in self.runs]
        return min(flops), max(flops)

    def size_exponent(self, law: Surface) -> float:
        """Return a: from the lowest to the highest compute C, the best size grows as C^a."""
        small, large = (self.optimum(law, flops)[0] for flops in self.flops)
        return math.log(large / small) / math.log(self.flops[1] / self.flops[0])

    def tokens_per_parameter(self, law: Surface) -> float:
        """Return the best D / N for the compute in the middle of the runs."""
        size, tokens = self.optimum(law, math.sqrt(self.flops[0] * self.flops[1]))
        return tokens / size

    def interval(self, value: Callable[[Surface], float]) -> tuple[float, float]:
        """Return the 95 % interval of a value of the law, over the draws in which it is known."""
        values = np.array([value(draw) for draw in self.draws])
        known = values[np.isfinite(values)]
        return interval_of(known) if len(known) else (math.nan, math.nan)


def refusal_of(runs: Sequence[Run]) -> str:
    """Return why no law is fitted to runs, empty if one is."""
    if len(runs) < FEWEST_RUNS:
        return f"{len(runs)} runs; a law of size and tokens needs at least {FEWEST_RUNS}"
    for name, values in (
        ("sizes", {run.size for run in runs}),
        ("numbers of tokens", {round(math.log(run.tokens), 2) for run in runs}),
    ):
        if len(values) < FEWEST_VALUES:
            return f"{len(values)} different {name}; a law needs at least {FEWEST_VALUES}"
    return ""


def fit_surface(runs: Sequence[Run]) -> SurfaceFit:
    """Return the law of runs with DRAWS draws. `refusal_of` must be empty."""
    columns = np.array([(run.size, run.tokens, run.loss) for run in runs]).T
    (law,) = surfaces(columns[:, None], FIRST)
    rows = np.random.default_rng(0).integers(0, len(runs), (DRAWS, len(runs)))
    at_once = max(1, MOST_NUMBERS // (COARSE**2 * len(runs)))
    draws = [
        surface
        for start in range(0, DRAWS, at_once)
        for surface in surfaces(columns[:, rows[start : start + at_once]], COARSE)
    ]
    return SurfaceFit(runs, law, draws)


def surfaces(columns: Floats, first: int) -> list[Surface]:
    """Return the laws of several samples, of each the best one.

    Args:
        columns: sizes, tokens and losses of the runs, shape (3, samples, runs).
        first: points per exponent of the first grid; finer grids around its best point follow.
    """
    means = np.log(columns[:2]).mean(axis=2, keepdims=True)
    logs, losses = np.log(columns[:2]) - means, columns[2]
    samples = np.arange(len(losses))
    grid = np.geomspace(LOWEST, HIGHEST, first)
    step = grid[1] / grid[0]
    alphas = betas = np.broadcast_to(grid, (len(losses), first))
    for _ in range(1 + ZOOMS):
        pairs = np.stack(
            [np.repeat(alphas, betas.shape[1], axis=1), np.tile(betas, alphas.shape[1])], axis=-1
        )
        cost, factors = solved(pairs, logs, losses)
        best = pairs[samples, cost.argmin(axis=1)]
        around = step ** np.linspace(-1, 1, ZOOM)
        alphas, betas = (np.clip(best[:, [axis]] * around, LOWEST, HIGHEST) for axis in (0, 1))
        step = around[-1] / around[-2]
    floor, *scales = factors[samples, cost.argmin(axis=1)].T
    by_size, by_tokens = (
        scale * np.exp(exponent * mean[:, 0])
        for scale, exponent, mean in zip(scales, best.T, means, strict=True)
    )
    rows = np.stack([*best.T, floor, by_size, by_tokens], axis=1)
    return [Surface(*row) for row in rows.tolist()]


def solved(pairs: Floats, logs: Floats, losses: Floats) -> tuple[Floats, Floats]:
    """Return Huber's loss and (E, A, B) for pairs of exponents.

    Args:
        pairs: shape (samples, pairs, 2).
        logs: logarithms of sizes and tokens, shape (2, samples, runs).
        losses: shape (samples, runs).

    Returns:
        arrays of shapes (samples, pairs) and (samples, pairs, 3).
    """
    powers = [np.exp(-pairs[..., which, None] * logs[which][:, None]) for which in range(2)]
    design = np.stack([np.ones_like(powers[0]), *powers], axis=-1) / losses[:, None, :, None]
    weights = np.ones(design.shape[:-1])
    for _ in range(ROUNDS):
        factors = non_negative(design, weights)
        errors = np.abs((design @ factors[..., None])[..., 0] - 1)
        weights = HUBER / np.maximum(errors, HUBER)
    cost = np.where(errors < HUBER, errors**2 / 2, HUBER * (errors - HUBER / 2)).sum(axis=-1)
    return cost, factors


def non_negative(design: Floats, weights: Floats) -> Floats:
    """Return the factors, none below 0, with the least weighted squares of `design·factors - 1`.

    Args:
        design: shape (..., runs, 3).
        weights: shape (..., runs).

    Returns:
        an array of shape (..., 3).
    """
    squares = (np.swapaxes(design * weights[..., None], -1, -2) @ design).reshape(-1, 3, 3)
    sums = (weights[..., None, :] @ design).reshape(-1, 3)
    least = np.full(len(sums), np.inf)
    found = np.zeros((len(sums), 3))
    rows = np.arange(len(sums))  # those without a solution so far
    for columns in SUBSETS:  # the best solution is that of some subset, the others being 0
        block = squares[rows][:, columns][:, :, columns]
        ridge = 1e-12 * np.trace(block, axis1=1, axis2=2)[:, None, None] * np.eye(len(columns))
        part = np.linalg.solve(block + ridge, sums[rows][:, columns, None])[..., 0]
        cost = -(part * sums[rows][:, columns]).sum(axis=1)
        better = (part >= 0).all(axis=1) & (cost < least[rows])
        least[rows[better]] = cost[better]
        found[rows[better]] = 0
        found[np.ix_(rows[better], np.array(columns))] = part[better]
        if len(columns) == 3:
            rows = rows[~better]
    return found.reshape(*design.shape[:-2], 3)
