"""Intervals of the exponents of laws, and the choice between two forms.

A draw of the bootstrap resamples the trials of each study, or the seeds of its confirmed
configuration. If the points scatter about the curve by more than that, a draw adds this scatter,
with the uncertainty of its estimate from few points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hpogen.report.words import plural
from hpogen.scaling.curve_fit import Floats, Law, fit
from hpogen.scaling.parameters_and_compute import PARAMETERS, Axis
from hpogen.scaling.studies_that_qualify import Cell

LEAST = {False: 4, True: 5}  # budgets for a·N^-α, and for a·N^-α + c
FORMS = {False: "a·N^-α", True: "a·N^-α + c"}
DRAWS = 500
LEVEL = 0.95
MOST_NOISE = 30.0  # limit for the noise of a logarithm, which few outliers can make infinite
MOST_SPREAD = 1e20  # largest size, or loss, over the smallest
DECIDED = 6.0  # difference of AICc at which the worse form is dropped: evidence of 20 to 1


@dataclass(frozen=True)
class Points:
    """Points of a fit, and their resampled deviations.

    Attributes:
        log_n: logarithms of the sizes, shape (points,).
        log_loss: logarithms of the losses, shape (points,).
        luck: deviation of log_loss in each draw, from resampled trials, shape (draws, points).
        n_budgets: number of different budgets.
    """

    log_n: Floats
    log_loss: Floats
    luck: Floats
    n_budgets: int


@dataclass(frozen=True)
class Fit:
    """A form with its draws.

    Attributes:
        law: the curve, one row.
        draws: the curves of the draws.
        scatter: standard deviation of a further point about its curve, per draw.
    """

    law: Law
    draws: Law
    scatter: Floats

    @property
    def offset(self) -> bool:
        return self.law.offset

    @property
    def form(self) -> str:
        return FORMS[self.offset]

    @property
    def exponent(self) -> float:
        return float(self.law.exponent[0])

    @cached_property
    def interval(self) -> tuple[float, float]:
        return interval_of(self.draws.exponent)

    @cached_property
    def aicc(self) -> float:
        """Akaike's criterion for few points; the scatter, which every form has, is not counted."""
        n, k = self.law.errors.shape[1], self.law.n_parameters
        squares = max(float((self.law.errors**2).sum()), 1e-12)
        penalty = 2 * k + 2 * k * (k + 1) / (n - k - 1)
        return float(n * math.log(squares / n) + penalty)

    @property
    def share_at_bound(self) -> float:
        """Return the share of draws whose α is an end of the searched range."""
        return float(self.draws.at_bound.mean())

    @property
    def share_without_floor(self) -> float:
        return float((self.draws.floor <= 0).mean()) if self.offset else 0.0

    def predicted(self, log_n: float) -> tuple[float, Floats]:
        """Return the loss at a size, and the losses that further studies may find there."""
        noise = np.random.default_rng(1).standard_normal(len(self.scatter)) * self.scatter
        return float(self.law.at(log_n)[0, 0]), self.draws.at(log_n)[:, 0] * np.exp(noise)


@dataclass(frozen=True)
class Answer:
    """The law against one measure of size, or a sentence that says why there is none.

    Attributes:
        fits: the forms that the points allow, the chosen one first.
        standing: those that AICc does not drop; the interval covers them.
    """

    axis: Axis
    cells: Sequence[Cell]
    points: Points | None
    fits: Sequence[Fit] = ()
    refusal: str = ""

    @property
    def best(self) -> Fit:
        return self.fits[0]

    @property
    def standing(self) -> list[Fit]:
        """Return the forms that count: a·N^-α + c always does, as it contains the other."""
        return [f for f in self.fits if f.offset or f.aicc - self.best.aicc < DECIDED]

    @property
    def interval(self) -> tuple[float, float]:
        """Return the interval of α, whichever of the standing forms is true."""
        lows, highs = zip(*(fit.interval for fit in self.standing), strict=True)
        return min(lows), max(highs)

    @property
    def plain(self) -> Fit:
        """Return a·N^-α, whose exponent is above 0 if the loss falls with size."""
        return next(fit for fit in self.fits if not fit.offset)

    @property
    def has_gain(self) -> bool:
        return self.plain.interval[0] > 0

    @property
    def width(self) -> float:
        """Return the width of the interval of α; of a·N^-α alone as long as no gain is shown.

        Without a gain, every α fits with a c that is nearly the whole loss.
        """
        low, high = self.interval if self.has_gain else self.plain.interval
        return high - low

    def predicted(self, log_n: float) -> tuple[float, float, float]:
        """Return loss and interval at a size, over the standing forms."""
        found = [fit.predicted(log_n) for fit in self.standing]
        ends = [interval_of(losses) for _, losses in found]
        return self.best.predicted(log_n)[0], min(e[0] for e in ends), max(e[1] for e in ends)


def interval_of(values: Floats) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def answer_of(cells: Sequence[Cell], axis: Axis = PARAMETERS) -> Answer:
    """Return the law of cells against a measure of size."""
    known = [cell for cell in cells if cell.size(axis)]
    n_budgets = len({cell.budget for cell in known})
    if n_budgets < LEAST[False]:
        lacks = " whose logs hold this size" if len(known) < len(cells) else ""
        return Answer(
            axis, known, None,
            refusal=f"{plural(n_budgets, 'budget')}{lacks}; a law needs at least {LEAST[False]}",
        )  # fmt: skip
    points = points_of(known, axis)
    if np.ptp(points.log_n) < math.log(2):
        return Answer(axis, known, None, refusal="the largest size is not twice the smallest")
    if max(np.ptp(points.log_n), np.ptp(points.log_loss)) > math.log(MOST_SPREAD):
        return Answer(axis, known, None, refusal="sizes or losses differ too much to be real")
    return Answer(axis, known, points, fits_of(points))


def points_of(cells: Sequence[Cell], axis: Axis) -> Points:
    """Return cells as points."""
    rng = np.random.default_rng(0)
    luck = np.stack([luck_of(cell, rng) for cell in cells], axis=1)
    sizes = [cell.size(axis) or math.nan for cell in cells]
    losses = [cell.loss for cell in cells]
    return Points(np.log(sizes), np.log(losses), luck, len({cell.budget for cell in cells}))


def luck_of(cell: Cell, rng: np.random.Generator) -> Floats:
    """Return how the logarithm of a cell's loss differs between draws, with mean 0."""
    if cell.deviation:
        return cell.deviation / cell.loss * rng.standard_normal(DRAWS)
    losses = np.log(cell.losses)
    drawn = losses[rng.integers(0, len(losses), (DRAWS, len(losses)))]
    if cell.seeds > 1:  # the spread of a resampled mean is too small by this factor
        luck = drawn.mean(axis=1) * math.sqrt(cell.seeds / (cell.seeds - 1))
    else:
        luck = drawn.min(axis=1)
        noise = cell.view.noise.deviation / cell.loss if cell.view.noise else 0.0
        luck = luck + noise * rng.standard_normal(DRAWS)
    centred: Floats = luck - luck.mean()
    return centred


def fits_of(points: Points) -> list[Fit]:
    """Return the forms that the number of budgets allows, the better one first."""
    fits = [
        drawn_fit(points, offset=offset)
        for offset, least in LEAST.items()
        if points.n_budgets >= least
    ]
    return sorted(fits, key=lambda found: found.aicc)


def drawn_fit(points: Points, *, offset: bool) -> Fit:
    """Return a form fitted to the points and to every draw of them."""
    rng = np.random.default_rng(2)
    law = fit(points.log_n, points.log_loss, offset=offset)
    n_draws, n_points = points.luck.shape
    freedom = n_points - law.n_parameters
    variance = float((law.errors**2).sum()) / freedom * freedom / rng.chisquare(freedom, n_draws)
    beyond = np.sqrt(np.maximum(variance[:, None] - points.luck.var(axis=0), 0))
    noise = points.luck + beyond * rng.standard_normal((n_draws, n_points))
    noise = np.clip(noise, -MOST_NOISE, MOST_NOISE)
    draws = fit(points.log_n, np.log(law.at(points.log_n)) + noise, offset=offset)
    spread = np.sqrt(np.maximum(variance, float(points.luck.var(axis=0).mean())))
    return Fit(law, draws, np.minimum(spread, MOST_NOISE / 5))
