"""Pictures of settings: parallel coordinates and importance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log
from typing import Any, NamedTuple

from hpogen.report.importance import SHUFFLES, Importance, wide
from hpogen.report.plotly_figure import (
    BASELINE,
    BEST,
    GOOD,
    OTHER,
    Picture,
    Trace,
    about_trial,
    dots,
    escaped,
    few,
    joined,
    lines,
    thinned,
)
from hpogen.report.view import StudyView
from hpogen.report.words import finite, text_of
from recover_trials import Trial

MOST_AXES = 12
MOST_LINES = 400
MOST_LABELS = 12
FEW_NUMBERS = 6


class Axis(NamedTuple):
    """An axis from 0 to 1: its title, the height of a trial (None: none), its labels."""

    title: str
    height: Callable[[Trial], float | None]
    labels: list[tuple[float, str]]


def parallel(view: StudyView) -> Picture | None:
    """Return parallel coordinates: an axis per setting, and the value with the best at the top."""
    if not view.sign or len(view.ranking) < 2 or not view.varied:
        return None
    axes = [*(setting_axis(view, name) for name in view.varied[:MOST_AXES]), value_axis(view)]
    shown = thinned(list(enumerate(view.ranking)), MOST_LINES)
    paths = [
        (rank, [(x, axis.height(trial)) for x, axis in enumerate(axes)]) for rank, trial in shown
    ]
    n_good = max(1, len(view.ranking) // 4)
    others = [path for rank, path in paths if rank >= n_good]
    good = [path for rank, path in paths if 0 < rank < n_good]
    texts = [about_trial(view, trial) for _, trial in shown for _ in axes]
    data = [
        lines("other trials", others, OTHER, opacity=0.35),
        lines("best quarter", good, GOOD, line={"width": 1.8}),
        lines("best trial", [paths[0][1]], BEST, line={"width": 3}),
        axis_labels(axes),
        dots("", [point for _, path in paths for point in path], texts, OTHER, opacity=0),
    ]
    across = {
        "tickvals": list(range(len(axes))),
        "ticktext": [axis.title for axis in axes],
        "range": [-0.6, len(axes) - 0.7],
        "gridcolor": "rgba(139,148,158,0.5)",
        "side": "top",
    }
    layout = {"xaxis": across, "yaxis": {"visible": False, "range": [-0.06, 1.06]}}
    keys = [("best", "best trial"), *([("good", "best quarter")] if good else [])]
    keys += [("other", "other trials")] if others else []
    caption = joined([
        "A line per complete trial; the best values are at the top of the last axis.",
        few(len(axes) - 1, len(view.varied), "setting"),
        few(len(shown), len(view.ranking), "trial"),
    ])  # fmt: skip
    size = {"height": 380, "least_width": 82 * len(axes)}
    return Picture("parallel", "Settings and values", caption, data, layout, keys, **size)


def setting_axis(view: StudyView, name: str) -> Axis:
    """Return the axis of a setting."""
    found = [view.settings(trial) for trial in view.ranking]
    height, labels = scale_of([settings[name] for settings in found if name in settings])

    def height_of(trial: Trial) -> float | None:
        settings = view.settings(trial)
        return height(settings[name]) if name in settings else None

    return Axis(escaped(name), height_of, labels)


def value_axis(view: StudyView) -> Axis:
    """Return the axis of values."""
    best, worst = view.ranking[0].values[0], view.ranking[-1].values[0]
    span = (best - worst) or 1.0
    labels = [(0.0, text_of(worst)), (1.0, text_of(best))]
    return Axis(escaped(view.metric), lambda trial: (trial.values[0] - worst) / span, labels)


def scale_of(values: Sequence[Any]) -> tuple[Callable[[Any], float], list[tuple[float, str]]]:
    """Return the height of a value on an axis, and the axis's labels.

    Numbers have a linear or logarithmic axis, few numbers and other values evenly spaced places.
    """
    numbers = [finite(value) for value in values]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers) or len(set(known)) < FEW_NUMBERS:
        return evenly_spaced(values)
    low, high = min(known), max(known)
    ends = [(0.0, short(low)), (1.0, short(high))]
    if wide(low, high):
        return lambda value: log(value / low) / log(high / low), ends
    return lambda value: (value - low) / (high - low), ends


def short(number: float) -> str:
    """Return a number with three digits, a whole one with all of up to six."""
    return f"{number:.0f}" if number.is_integer() and abs(number) < 10**6 else f"{number:.3g}"


def evenly_spaced(
    values: Sequence[Any],
) -> tuple[Callable[[Any], float], list[tuple[float, str]]]:
    """Return the same for values with a place each, numbers in their order."""
    by_text = {repr(value): value for value in values}
    order = sorted(by_text, key=lambda text: (finite(by_text[text]) or 0.0, text))
    heights = {text: i / max(1, len(order) - 1) for i, text in enumerate(order)}
    labels = [(heights[text], escaped(by_text[text], 12)) for text in order]
    return lambda value: heights[repr(value)], thinned(labels, MOST_LABELS)


def axis_labels(axes: Sequence[Axis]) -> Trace:
    """Return the labels of all axes, each to the left of its place."""
    labels = [(x, height, text) for x, axis in enumerate(axes) for height, text in axis.labels]
    return {
        "type": "scatter",
        "mode": "text",
        "x": [x - 0.04 for x, _, _ in labels],
        "y": [height for _, height, _ in labels],
        "text": [text for _, _, text in labels],
        "textposition": "middle left",
        "textfont": {"size": 11},
        "hoverinfo": "skip",
        "showlegend": False,
        "cliponaxis": False,
    }


def importance(found: Sequence[Importance]) -> Picture | None:
    """Return the importances as bars, with what chance gives."""
    if not found:
        return None
    upwards = list(reversed(found))
    names = [escaped(item.name) for item in upwards]
    bar = {
        "type": "bar",
        "orientation": "h",
        "name": "share",
        "x": [item.share for item in upwards],
        "y": names,
        "marker": {"color": [BEST if i.share > i.by_chance else OTHER for i in upwards]},
        "text": [f"{item.share:.0%}" for item in upwards],
        "textposition": "outside",
        "hoverinfo": "skip",
        "showlegend": False,
        "cliponaxis": False,
    }
    chance = dots(
        "by chance",
        [(item.by_chance, name) for item, name in zip(upwards, names, strict=True)],
        [f"{item.by_chance:.0%} by chance" for item in upwards],
        BASELINE,
        symbol="line-ns-open",
        size=16,
        line={"width": 2},
    )
    caption = (
        "PED-ANOVA: how much a setting tells the best quarter of trials from the others. A bar"
        f" that does not pass its mark is as large by chance, in {SHUFFLES} studies with shuffled"
        " values."
    )
    axes = {
        "xaxis": {"title": {"text": "share of importance"}, "tickformat": ".0%"},
        "yaxis": {"automargin": True, "showgrid": False},
    }
    keys = [("best", "above chance"), ("other", "not above chance"), ("baseline", "by chance")]
    height = 120 + 34 * len(found)
    return Picture(
        "importance", "Importance of settings", caption, [bar, chance], axes, keys, height
    )
