"""Landscapes: what a configuration is worth. FROZEN: committed before any sampler was tuned.

A landscape maps points of a grid to values. It is scaled so that 0 is the best configuration of
the grid and 1 the median of random ones; noise has the same unit. The analytic kinds draw optimum,
curvatures and couplings by seed; a fitted one is a quadratic that `fit` found in the trials of a
real study (one of its bootstrap refits, by seed).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .grids import FEATURES, SIZES, Grid, Points

Values = NDArray[np.float64]
ANALYTIC = ("centre", "end", "valley", "cliff", "basins", "noisy", "plain")
FITTED_FILE = Path(__file__).with_name("fitted.json")
FITTED = tuple(json.loads(FITTED_FILE.read_text())) if FITTED_FILE.exists() else ()
ASPECT, RATE = FEATURES.index("aspect"), FEATURES.index("learning_rate")
PRODUCTS = ((ASPECT, RATE), (ASPECT, 2), (ASPECT, 5), (RATE, 4), (RATE, 5), (RATE, 7))
NOISE, MUCH_NOISE = 0.2, 0.5  # SD, as a share of the gap between the best and the median
N_RANDOM, N_NEAR, ROUNDS = 20_000, 2_000, 12  # of the search for the optimum


class Landscape(NamedTuple):
    """Values of points, in units of the gap; NaN where a training diverges."""

    value: Callable[[Points], Values]
    noise: float


def landscape(kind: str, seed: int, grid: Grid) -> Landscape:
    """Return a landscape of a kind over a grid."""
    chance = np.random.default_rng([seed, (*ANALYTIC, *FITTED).index(kind)])
    if kind in ANALYTIC:
        raw: Callable[[Points], Values] = partial(analytic, draw_shape(kind, chance))
        noise = MUCH_NOISE if kind == "noisy" else NOISE
    else:
        raw, noise = fitted(kind, chance)
    known = grid.random_points(N_RANDOM, chance)
    values = raw(known)
    median, best = float(np.nanmedian(values)), optimum(raw, known, values, grid, chance)
    return Landscape(lambda points: (raw(points) - best) / (median - best), noise)


def optimum(
    raw: Callable[[Points], Values],
    points: Points,
    values: Values,
    grid: Grid,
    chance: np.random.Generator,
) -> float:
    """Return the lowest value of a grid: the best random points, refined in shrinking steps."""
    for reach in 0.3 * 0.7 ** np.arange(ROUNDS):
        keep = np.argsort(values)[:20]  # NaN is last
        near = np.repeat(points[keep], N_NEAR // 20, axis=0)
        rates = slice(len(SIZES), FEATURES.index("epochs"))
        near[:, rates] += chance.normal(0, reach, near[:, rates].shape)
        change = chance.random(len(near)) < reach
        near[change, : len(SIZES)] = grid.random_points(int(change.sum()), chance)[:, : len(SIZES)]
        near = near.clip(0, 1)
        points = np.concatenate([points[keep], near])
        values = raw(points)
    return float(np.nanmin(values))


class Shape(NamedTuple):
    """An analytic landscape: where the optimum is, and how the value rises from there."""

    kind: str
    optima: Points
    weights: Points
    powers: Points
    offsets: Points  # of epochs and warm-up, without an order
    slope: float  # how the best rate moves with the aspect
    edge: float  # the highest rate at the centre of the aspect that does not diverge


def draw_shape(kind: str, chance: np.random.Generator) -> Shape:
    """Return a landscape of a kind, with optimum, curvatures and couplings drawn at random."""
    optima = chance.uniform(0.15, 0.85, len(FEATURES))
    weights = chance.uniform(
        [1.0, 0.0, 0.0, 1.0, 0.2, 0.2, 0.0, 0.0], [2.5, 0.2, 0.8, 3.0, 1.2, 1.0, 0.0, 0.0]
    )
    powers = np.full(len(FEATURES), 2.0)
    offsets = chance.uniform(-0.3, 0.3, (2, 13))
    slope, edge, end = chance.uniform(-0.3, 0.3), chance.uniform(0.5, 0.8), chance.random()
    if kind == "centre":
        optima[ASPECT] = chance.uniform(0.35, 0.65)
    elif kind == "end":
        optima[ASPECT], powers[ASPECT] = (0.1 * end if end < 0.5 else 0.9 + 0.1 * end), 1.0
        weights[ASPECT] /= 2
    elif kind == "valley":
        slope, weights[RATE] = np.sign(slope) * chance.uniform(0.5, 0.9), 4.0
    return Shape(kind, optima, weights, powers, offsets, slope, edge)


def analytic(shape: Shape, points: Points) -> Values:
    """Return the values of points; NaN where a training diverges."""
    gaps = np.abs(points - shape.optima)
    lean = points[:, ASPECT] - 0.5
    gaps[:, RATE] = np.abs(points[:, RATE] - shape.optima[RATE] - shape.slope * lean)
    if shape.kind == "basins":  # a second, wide and worse one far from the first
        other = np.abs(points[:, ASPECT] - (shape.optima[ASPECT] + 0.5) % 1)
        gaps[:, ASPECT] = np.minimum(1.5 * gaps[:, ASPECT], np.hypot(other, 0.4))
    limit = shape.edge + 0.6 * lean  # deep networks diverge at lower rates
    if shape.kind == "cliff":
        gaps[:, RATE] = np.abs(limit - 0.05 - points[:, RATE])
    found = (shape.weights * gaps**shape.powers).sum(axis=1)
    for row, name in zip(shape.offsets, ("epochs", "warmup_steps"), strict=True):
        found += row[np.rint(12 * points[:, FEATURES.index(name)]).astype(int)]
    if shape.kind == "cliff":
        found[points[:, RATE] > limit] = np.nan
    return np.asarray(found)


def terms(points: Points) -> Points:
    """Return the terms of a quadratic: constant, features, squares, and products with a size."""
    columns = [np.ones(len(points)), *points.T, *(points.T - 0.5) ** 2]
    for one, other in PRODUCTS:
        columns.append((points[:, one] - 0.5) * (points[:, other] - 0.5))
    return np.stack(columns, axis=1)


def fitted(kind: str, chance: np.random.Generator) -> tuple[Callable[[Points], Values], float]:
    """Return a bootstrap refit of a real study, and its noise."""
    known = json.loads(FITTED_FILE.read_text())[kind]
    refits = known["coefficients"]
    coefficients = np.array(refits[chance.integers(len(refits))])
    return lambda points: np.asarray(terms(points) @ coefficients), known["noise"]
