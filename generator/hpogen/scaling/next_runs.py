"""Which budgets to run next, so that the interval of the exponent becomes narrowest.

Each plan is simulated: the points that it would add are put on the fitted curve, and the interval
is computed anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean, median

import numpy as np

from hpogen.report.costs import seconds_of
from hpogen.scaling.exponent_interval import Answer, Points, fits_of
from hpogen.scaling.studies_that_qualify import Cell

LEAST_TRIALS, MOST_TRIALS = 10, 200
SHOWN = 5
DRAWS = 200  # of each plan


@dataclass(frozen=True)
class Plan:
    """Studies to run.

    Attributes:
        studies: (budget, trials) of each.
        hours: what they take on the device of the logs.
        width: of the interval of α afterwards, as expected.
    """

    studies: tuple[tuple[int, int], ...]
    hours: float
    width: float


def next_plans(answer: Answer, hours: float) -> list[Plan]:
    """Return the plans that fit into some hours, that with the narrowest interval first."""
    cost = trial_cost(answer.cells)
    if cost is None or answer.points is None:
        return []
    plans = [
        plan_of(answer, answer.points, studies, cost)
        for studies in choices(answer.cells, cost, hours)
    ]
    return sorted(plans, key=lambda plan: (plan.width, plan.hours))[:SHOWN]


def trial_cost(cells: Sequence[Cell]) -> tuple[float, float] | None:
    """Return (intercept, slope) of log seconds of a trial against log budget."""
    pairs = [(cell.budget, times) for cell in cells if (times := trial_times(cell))]
    if len({budget for budget, _ in pairs}) < 2:
        return None
    sizes = np.log([budget for budget, _ in pairs])
    slope, start = np.polyfit(sizes, np.log([fmean(times) for _, times in pairs]), 1)
    return float(start), float(slope)


def trial_times(cell: Cell) -> list[float]:
    """Return the seconds of the trials that have ended, pruned ones included."""
    times = [seconds_of(trial) for trial in cell.view.study.rows if trial.state != "RUNNING"]
    return [time for time in times if time]


def next_budgets(cells: Sequence[Cell]) -> list[int]:
    """Return the next three budgets of the ladder, by its mean ratio, in two digits."""
    budgets = sorted({cell.budget for cell in cells})
    ratio = (budgets[-1] / budgets[0]) ** (1 / (len(budgets) - 1))
    return [rounded(budgets[-1] * ratio**step) for step in (1, 2, 3)]


def rounded(number: float) -> int:
    digits = max(int(math.log10(number)) - 1, 0)
    return int(round(number / 10**digits) * 10**digits)


def choices(
    cells: Sequence[Cell], cost: tuple[float, float], hours: float
) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield the plans to compare: one or two budgets, old ones and the next ones."""
    budgets = [*sorted({cell.budget for cell in cells}), *next_budgets(cells)]
    for chosen in [*combinations(budgets, 1), *combinations(budgets, 2)]:
        trials = [int(3600 * hours / len(chosen) / seconds_at(cost, b)) for b in chosen]
        if min(trials) >= LEAST_TRIALS:
            yield tuple((b, min(n, MOST_TRIALS)) for b, n in zip(chosen, trials, strict=True))


def seconds_at(cost: tuple[float, float], budget: int) -> float:
    return math.exp(cost[0] + cost[1] * math.log(budget))


def plan_of(
    answer: Answer,
    points: Points,
    studies: tuple[tuple[int, int], ...],
    cost: tuple[float, float],
) -> Plan:
    """Return a plan with its cost and the width that it is expected to lead to."""
    hours = sum(n * seconds_at(cost, budget) for budget, n in studies) / 3600
    after = replace(answer, fits=fits_of(with_studies(answer, points, studies)))
    return Plan(studies, hours, after.width)


def with_studies(answer: Answer, points: Points, studies: tuple[tuple[int, int], ...]) -> Points:
    """Return the points with those of further studies, on the curve but for typical errors.

    More trials than in the logs make a point steadier by the root of their number.
    """
    law, known = answer.best.law, points.luck[:DRAWS]
    usual = median(len(cell.view.finished) for cell in answer.cells)
    rng = np.random.default_rng(4)
    old = {cell.budget for cell in answer.cells}
    sizes = np.log([budget for budget, _ in studies])
    steadier = np.array([min(math.sqrt(usual / n), 1.0) for _, n in studies])
    typical = float(np.sqrt(known.var(axis=0).mean()))
    luck = typical * steadier * rng.standard_normal((len(known), len(studies)))
    scatter = math.sqrt(float((law.errors**2).mean()))
    signs = np.array([(-1.0) ** k for k in range(len(studies))])
    losses = np.log(law.at(sizes)[0]) + scatter * steadier * signs
    return Points(
        np.concatenate([points.log_n, sizes]),
        np.concatenate([points.log_loss, losses]),
        np.concatenate([known, luck], axis=1),
        points.n_budgets + len({budget for budget, _ in studies} - old),
    )
