"""The best learning rate per budget, and how it changes with size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hpogen.report.words import finite
from hpogen.scaling.curve_fit import Floats
from hpogen.scaling.exponent_interval import DRAWS, LEAST, interval_of
from hpogen.scaling.parameters_and_compute import PARAMETERS
from hpogen.scaling.studies_that_qualify import Cell
from recover_trials import Trial

NAMES = ("learning_rate", "lr")
BEST = 3  # trials whose geometric mean is the optimum: less luck than the single best one


class Optimum(NamedTuple):
    """The learning rate of a study's best trials, with its interval over resampled trials."""

    rate: float
    low: float
    high: float
    draws: Floats  # logarithms


class RateLaw(NamedTuple):
    """lr*(N) = at_million · (N / 1M)^slope."""

    at_million: float
    slope: float
    interval: tuple[float, float]  # of the slope


def rate_of(trial: Trial) -> float | None:
    """Return the searched learning rate of a trial."""
    found = (finite(trial.params.get(name)) for name in NAMES)
    return next((rate for rate in found if rate is not None and 1e-20 < rate < 1e6), None)


def optimum_of(cell: Cell) -> Optimum | None:
    """Return the best learning rate of a study; None where it was not searched."""
    tried = [(t.values[0], r) for t in cell.view.finished if (r := rate_of(t)) is not None]
    if len(tried) < 2 * BEST:
        return None
    losses, rates = (np.array(column) for column in zip(*sorted(tried), strict=True))
    if np.ptp(rates) == 0:
        return None
    drawn = np.random.default_rng(3).integers(0, len(losses), (DRAWS, len(losses)))
    ranked = np.sort(drawn, axis=1)[:, :BEST]  # the trials are in the order of their losses
    logs = np.log(rates)[ranked].mean(axis=1)
    low, high = interval_of(logs)
    return Optimum(math.exp(np.log(rates[:BEST]).mean()), math.exp(low), math.exp(high), logs)


def rate_law(cells: Sequence[Cell]) -> RateLaw | None:
    """Return how the optimum changes with the parameters; None with too few budgets."""
    found = [(cell, best) for cell in cells if (best := optimum_of(cell))]
    if len({cell.budget for cell, _ in found}) < LEAST[False]:
        return None
    sizes = np.log([(PARAMETERS.size(cell.winner) or math.nan) / 1e6 for cell, _ in found])
    slope, start = np.polyfit(sizes, [math.log(best.rate) for _, best in found], 1)
    draws = np.polyfit(sizes, np.stack([best.draws for _, best in found]), 1)[0]
    return RateLaw(math.exp(start), float(slope), interval_of(draws))
