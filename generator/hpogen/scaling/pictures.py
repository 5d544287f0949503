"""Scaling laws in pictures: loss against parameters, compute and time; the learning rate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hpogen.report.plotly_figure import BEST, GOOD, OTHER, Picture, Trace, dots, escaped, lines
from hpogen.report.words import text_of
from hpogen.scaling.exponent_interval import Answer, Fit, interval_of
from hpogen.scaling.learning_rate import optimum_of
from hpogen.scaling.parameters_and_compute import AXES, PARAMETERS
from hpogen.scaling.sentences import Scaling, curve_of

STEPS = 40
BEYOND = 3.0  # the curve continues to this multiple of the largest size
SHOWN = ("all", "compute", "time")
LOG_AXIS = {"type": "log", "exponentformat": "SI", "dtick": 1}


def scaling_pictures(law: Scaling) -> list[Picture]:
    """Return the pictures of a group, those that its cells have data for."""
    shown = [answer for answer in law.answers if answer.axis.key in SHOWN]
    found = [loss_picture(answer) for answer in shown] if law.by_budget else []
    return [picture for picture in [equal_compute(law), *found, rate_picture(law)] if picture]


def equal_compute(law: Scaling) -> Picture | None:
    """Return the losses of runs of nearly equal compute against size, and the best sizes."""
    surface = law.surface
    if surface is None or not surface.fits or not surface.budgets:
        return None
    curves = [[(run.size, run.loss) for run in budget.runs] for budget in surface.budgets]
    fit = surface.fits[surface.first.convention]
    optima = [fit.optimum(fit.law, budget.flops) for budget in surface.budgets]
    best = [(n, fit.law.loss(n, tokens)) for n, tokens in optima if math.isfinite(n)]
    texts = [f"best size by the law: {text_of(size)}" for size, _ in best]
    data = [lines("", curves, OTHER), dots("", best, texts, BEST)]
    layout: dict[str, Any] = {
        "xaxis": {**LOG_AXIS, "title": {"text": surface.first.convention}},
        "yaxis": {"type": "log", "title": {"text": "loss"}},
    }
    keys = [("best", "best size by the law"), ("other", "runs of nearly equal compute")]
    caption = "Each line has the runs of nearly equal training compute."
    return Picture(
        "equal-compute", "Loss against size at equal compute", caption, data, layout, keys
    )


def loss_picture(answer: Answer) -> Picture | None:
    """Return the loss against a measure of size, with the law and its band."""
    if not answer.cells:
        return None
    sizes = [cell.size(answer.axis) or math.nan for cell in answer.cells]
    points = [(size, cell.loss) for size, cell in zip(sizes, answer.cells, strict=True)]
    texts = [
        f"{escaped(cell.name)}: {text_of(cell.loss)} ({cell.source_of_loss})"
        for cell in answer.cells
    ]
    data: list[Trace] = []
    if answer.fits:
        grid = np.geomspace(min(sizes), max(sizes) * BEYOND, STEPS).tolist()
        data += band(answer, grid)
        for fit in reversed(answer.fits):
            colour = BEST if fit is answer.best else OTHER
            curve = list(zip(grid, curve_of(fit, grid), strict=True))
            data.append(lines("", [curve], colour, line={"width": 2}))
    data.append(dots("", points, texts, BEST))
    layout: dict[str, Any] = {
        "xaxis": {**LOG_AXIS, "title": {"text": answer.axis.title}},
        "yaxis": {"type": "log", "title": {"text": "loss"}},
    }
    keys = [("best", "chosen law and studies"), ("good", "95 % of laws"), ("other", "other form")]
    title = f"Loss against {answer.axis.title}"
    caption = f"Not fitted: {answer.refusal}." if answer.refusal else caption_of(answer)
    return Picture(f"loss-{answer.axis.key}", title, caption, data, layout, keys)


def caption_of(answer: Answer) -> str:
    low, high = answer.interval
    return (
        f"α = {answer.best.exponent:.3f}, 95 % interval {low:.3f} to {high:.3f}. The curve"
        " continues to three times the largest size."
    )


def band(answer: Answer, grid: list[float]) -> list[Trace]:
    """Return the band of the curves of all standing forms."""
    ends = [band_of(fit, grid) for fit in answer.standing]
    lows = [min(column) for column in zip(*(low for low, _ in ends), strict=True)]
    highs = [max(column) for column in zip(*(high for _, high in ends), strict=True)]
    outline = [*zip(grid, lows, strict=True), *reversed([*zip(grid, highs, strict=True)])]
    area = lines("", [outline], GOOD, line={"width": 0})
    return [{**area, "fill": "toself", "fillcolor": "rgba(127,178,229,0.3)"}]


def band_of(fit: Fit, grid: list[float]) -> tuple[list[float], list[float]]:
    """Return the ends of the curves of a form at each size."""
    curves = fit.draws.at(np.log(grid))
    ends = [interval_of(column) for column in curves.T]
    return [low for low, _ in ends], [high for _, high in ends]


def rate_picture(law: Scaling) -> Picture | None:
    """Return the best learning rate against parameters, with its intervals."""
    found = [
        (size, best, cell)
        for cell in law.group.cells
        if (best := optimum_of(cell)) and (size := cell.size(PARAMETERS))
    ]
    if len(found) < 2:
        return None
    bars = lines("", [[(s, b.low), (s, b.high)] for s, b, _ in found], GOOD, line={"width": 3})
    ranges = [f"{best.rate:.2g}, {best.low:.2g} to {best.high:.2g}" for _, best, _ in found]
    texts = [f"{escaped(c.name)}: {r}" for (_, _, c), r in zip(found, ranges, strict=True)]
    data = [bars, dots("", [(s, b.rate) for s, b, _ in found], texts, BEST)]
    if law.rates:
        ends = [min(s for s, _, _ in found), max(s for s, _, _ in found)]
        line = [(s, law.rates.at_million * (s / 1e6) ** law.rates.slope) for s in ends]
        data.append(lines("", [line], OTHER, line={"dash": "dot"}))
    layout = {
        "xaxis": {**LOG_AXIS, "title": {"text": AXES[0].title}},
        "yaxis": {"type": "log", "title": {"text": "learning rate"}, "exponentformat": "power"},
    }
    keys = [("best", "geometric mean of the three best trials"), ("good", "95 % interval")]
    return Picture("rate", "Best learning rate", "", data, layout, keys)
