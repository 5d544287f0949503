"""Fits of L(N, D) = E + A·N^-α + B·D^-β to training runs that differ in size and length.

This is the law of Hoffmann et al. 2022 (arXiv 2203.15556, approach 3). Variable projection: for
given α and β, the law is linear in E, A and B, which are solved for with none below 0, so only the
exponents are searched, on a grid whose cells shrink. Parabolas through runs of equal compute, as
in approach 2 of that paper, would bias the optimal size (arXiv 2603.22339). The errors are
relative, under Huber's loss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

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
    def size_exponent(self) -> float:
        """Return a: the size that is best for a compute C grows as C^a."""
        return self.beta / (self.alpha + self.beta)

    @property
    def at_bound(self) -> bool:
        """Return whether an exponent is an end of its range, or a factor is 0."""
        ends = (LOWEST * 1.01, HIGHEST / 1.01)
        inside = all(ends[0] < value < ends[1] for value in (self.alpha, self.beta))
        return not inside or min(self.size_factor, self.token_factor) <= 0

    def loss(self, size: float, tokens: float) -> float:
        by_size = self.size_factor * size**-self.alpha
        return float(self.floor + by_size + self.token_factor * tokens**-self.beta)

    def best_size(self, size_times_tokens: float) -> float:
        """Return the size N of the lowest loss for a given N·D; nan at a bound."""
        if self.at_bound:
            return math.nan
        ratio = self.alpha * self.size_factor / (self.beta * self.token_factor)
        total = self.alpha + self.beta
        return float(ratio ** (1 / total) * size_times_tokens**self.size_exponent)


@dataclass(frozen=True)
class SurfaceFit:
    """A law with its draws of the bootstrap, which resamples runs."""

    runs: Sequence[Run]
    law: Surface
    draws: Sequence[Surface]

    @property
    def share_at_bound(self) -> float:
        return sum(draw.at_bound for draw in self.draws) / len(self.draws)

    def interval(self, name: str) -> tuple[float, float]:
        """Return the 95 % interval of an attribute of the law."""
        return interval_of(np.array([getattr(draw, name) for draw in self.draws]))

    @cached_property
    def middle_product(self) -> float:
        """Return N·D in the middle of the runs: the geometric mean of the lowest and highest."""
        products = [run.size * run.tokens for run in self.runs]
        return math.sqrt(min(products) * max(products))

    def tokens_per_parameter(self, law: Surface) -> float:
        """Return the best D / N for the N·D in the middle of the runs."""
        return self.middle_product / law.best_size(self.middle_product) ** 2

    @property
    def ratio_interval(self) -> tuple[float, float] | None:
        """Return the interval of the best D / N, None if most draws have no best size."""
        ratios = np.array([self.tokens_per_parameter(draw) for draw in self.draws])
        known = ratios[np.isfinite(ratios)]
        return interval_of(known) if len(known) > 0.95 * len(ratios) else None


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
