"""Fits of a·N^-α and a·N^-α + c, many at a time.

Variable projection: for a given α, the other parameters are solved for, so only α is searched, on
a grid and then by golden sections between its neighbours. No parabola is fitted, because it
biases the exponent (arXiv 2603.22339). The errors are differences of logarithms under Huber's
loss, as in Hoffmann et al. 2022 (arXiv 2203.15556), so that one outlier does not turn the curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HUBER = 0.02  # errors up to 2 % count as squares, larger ones linearly
EXPONENTS = {False: np.linspace(-1.0, 3.0, 81), True: np.geomspace(0.01, 3.0, 61)}
STEPS = 6  # of Gauss-Newton, for a and c
SECTIONS = 18  # of the golden search: the exponent is exact to 0.0003 of a grid interval
GOLDEN = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Law:
    """Fitted curves, one per row of the values that were fitted.

    Attributes:
        offset: whether the form has c, the loss that no size removes.
        centre: mean of log N, at which `scale` is measured.
        exponent: α, shape (rows,).
        scale: a·N^-α at the centre, shape (rows,); positive or 0.
        floor: c, shape (rows,); 0 without an offset.
        errors: log of the curve minus log of the value, shape (rows, points).
    """

    offset: bool
    centre: float
    exponent: Floats
    scale: Floats
    floor: Floats
    errors: Floats

    @property
    def n_parameters(self) -> int:
        return 3 if self.offset else 2

    @property
    def factor(self) -> Floats:
        """Return a, in the unit of the loss."""
        factor: Floats = self.scale * np.exp(self.exponent * self.centre)
        return factor

    def at(self, log_n: Any) -> Floats:
        """Return the loss at sizes: shape (rows, sizes)."""
        away = np.atleast_1d(np.asarray(log_n, float)) - self.centre
        powers = np.exp(-self.exponent[:, None] * away)
        loss: Floats = self.scale[:, None] * powers + self.floor[:, None]
        return loss

    @property
    def at_bound(self) -> NDArray[np.bool_]:
        """Return in which rows α is an end of the searched range, or a is 0."""
        grid = EXPONENTS[self.offset]
        near = 1e-3 * (grid[-1] - grid[0])
        ends = (
            (self.exponent < grid[0] + 1e-3 * grid[0])
            if self.offset
            else (self.exponent < grid[0] + near)
        )
        hits: NDArray[np.bool_] = ends | (self.exponent > grid[-1] - near) | (self.scale <= 0)
        return hits


@np.errstate(all="ignore")  # sizes and losses of a hostile log
def fit(log_n: Any, log_loss: Any, *, offset: bool) -> Law:
    """Return the curves through points.

    Args:
        log_n: logarithms of the sizes, shape (points,).
        log_loss: logarithms of the losses, shape (points,) or (rows, points).
        offset: whether the form has c.
    """
    sizes = np.asarray(log_n, float)
    losses = np.atleast_2d(np.asarray(log_loss, float))
    losses, level = centred(losses)
    centre = float(sizes.mean())
    away = sizes - centre
    grid = EXPONENTS[offset]
    cost = solved(np.broadcast_to(grid, (len(losses), len(grid))), away, losses, offset=offset)[0]
    best = cost.argmin(axis=1)
    low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, len(grid) - 1)]
    for _ in range(SECTIONS):
        inner = np.stack([high - GOLDEN * (high - low), low + GOLDEN * (high - low)], axis=1)
        cost = solved(inner, away, losses, offset=offset)[0]
        left = cost[:, 0] <= cost[:, 1]
        low, high = np.where(left, low, inner[:, 0]), np.where(left, inner[:, 1], high)
    exponent = (low + high) / 2
    _, scale, floor = solved(exponent[:, None], away, losses, offset=offset)
    errors = np.log(scale * np.exp(-exponent[:, None] * away) + floor) - losses
    unit = np.exp(level)
    return Law(offset, centre, exponent, unit * scale[:, 0], unit * floor[:, 0], errors)


def centred(losses: Floats) -> tuple[Floats, Floats]:
    """Return rows with mean 0, and the means: the fit then does not depend on the unit."""
    level = losses.mean(axis=1)
    return losses - level[:, None], level


def solved(
    exponents: Floats, away: Floats, losses: Floats, *, offset: bool
) -> tuple[Floats, Floats, Floats]:
    """Return (Huber loss, scale, floor) for exponents, each of shape (rows, exponents).

    The curve is linear in scale and floor, its logarithm is not: Gauss-Newton steps with Huber's
    weights, each of which solves two equations.
    """
    powers = np.exp(-exponents[:, :, None] * away)
    target = np.exp(losses)[:, None, :]
    curve = np.broadcast_to(target, powers.shape)
    errors = np.zeros(powers.shape)
    for _ in range(STEPS):
        weights = 1 / np.maximum(np.abs(errors) / HUBER, 1) / curve**2
        wanted = curve * (1 - errors)
        scale, floor = two_equations(powers, wanted, weights, offset=offset)
        curve = np.maximum(scale[:, :, None] * powers + floor[:, :, None], 0.2 * curve)
        errors = np.log(curve) - losses[:, None, :]
    size = np.abs(errors)
    cost = np.where(size <= HUBER, size**2 / 2, HUBER * (size - HUBER / 2)).sum(axis=2)
    return cost, scale, floor


def two_equations(
    powers: Floats, wanted: Floats, weights: Floats, *, offset: bool
) -> tuple[Floats, Floats]:
    """Return scale and floor of weighted least squares, neither of them below 0."""
    xx, xy = (weights * powers**2).sum(axis=2), (weights * powers * wanted).sum(axis=2)
    alone = xy / xx
    if not offset:
        return alone, np.zeros_like(alone)
    x, y, w = (weights * powers).sum(axis=2), (weights * wanted).sum(axis=2), weights.sum(axis=2)
    determinant = xx * w - x**2
    safe = np.maximum(determinant, 1e-12 * xx * w)
    scale, floor = (xy * w - x * y) / safe, (xx * y - x * xy) / safe
    scale, floor = np.where(floor < 0, alone, scale), np.maximum(floor, 0)
    return np.maximum(scale, 0), np.where(scale < 0, y / w, floor)
