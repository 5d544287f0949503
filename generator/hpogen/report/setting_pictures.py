"""Pictures of settings: parallel coordinates and importance."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from math import log
from typing import Any

from hpogen.report.importance import SHUFFLES, Importance, wide
from hpogen.report.picture import (
    BASELINE,
    BEST,
    GOOD,
    OTHER,
    Picture,
    Trace,
    about_trial,
    dots,
    escaped,
    lines,
)
from hpogen.report.view import StudyView
from hpogen.report.words import finite, text_of

MOST_AXES = 12


def parallel(view: StudyView) -> Picture | None:
    """Return parallel coordinates: an axis per setting, and the value with the best at the top."""
    if not view.sign or len(view.ranking) < 2 or not view.varied:
        return None
    names = view.varied[:MOST_AXES]
    configs = [view.settings(trial) for trial in view.ranking]
    scales = [scale_of([c[name] for c in configs if name in c]) for name in names]
    values = [trial.values[0] for trial in view.ranking]
    ends = (max(values), min(values)) if view.sign > 0 else (min(values), max(values))
    span = (ends[1] - ends[0]) or 1.0
    groups = []
    for config, value in zip(configs, values, strict=True):
        heights = [
            place(config[name]) if name in config else None
            for name, (place, _) in zip(names, scales, strict=True)
        ]
        groups.append(list(enumerate([*heights, (value - ends[0]) / span])))
    n_good = max(1, len(groups) // 4)
    data = [
        lines("other trials", groups[n_good:], OTHER, opacity=0.35),
        lines("best quarter", groups[1:n_good], GOOD, line={"width": 1.8}),
        lines("best trial", groups[:1], BEST, line={"width": 3}),
    ]
    ticks = [tick for _, tick in scales] + [[(0.0, text_of(ends[0])), (1.0, text_of(ends[1]))]]
    labels = [(x, y, label) for x, tick in enumerate(ticks) for y, label in tick]
    data.append(tick_labels(labels))
    marks = [point for group in groups for point in group]
    texts = [about_trial(view, trial) for trial in view.ranking for _ in range(len(names) + 1)]
    data.append(dots("", marks, texts, OTHER, opacity=0))
    titles = [*map(escaped, names), html.escape(view.metric, quote=False)]
    across = {
        "tickvals": list(range(len(titles))),
        "ticktext": titles,
        "range": [-0.6, len(names) + 0.3],
        "gridcolor": "rgba(139,148,158,0.5)",
        "side": "top",
    }
    upright = {"visible": False, "range": [-0.06, 1.06]}
    n_varied = len(view.varied)
    left_out = f" The first {MOST_AXES} of {n_varied} settings." if n_varied > MOST_AXES else ""
    caption = "A line per complete trial; the best values are at the top of the last axis."
    keys = [("best", f"trial {view.ranking[0].number}, the best"), ("good", "best quarter")]
    return Picture(
        "parallel",
        "Settings and values",
        caption + left_out,
        data,
        {"xaxis": across, "yaxis": upright},
        [*(keys if n_good > 1 else keys[:1]), ("other", "other trials")],
        height=380,
        least_width=82 * (len(names) + 1),
    )


def scale_of(values: Sequence[Any]) -> tuple[Callable[[Any], float], list[tuple[float, str]]]:
    """Return the height of a value on an axis from 0 to 1, and the axis's labels."""
    numbers = [finite(value) for value in values]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers) or len(set(known)) < 6:
        order = sorted(
            {repr(v): v for v in values}.items(), key=lambda i: (finite(i[1]) or 0, i[0])
        )
        heights = {key: i / max(1, len(order) - 1) for i, (key, _) in enumerate(order)}
        labels = [(heights[key], escaped(value, 12)) for key, value in order]
        return lambda value: heights[repr(value)], labels if len(labels) <= 12 else labels[::5]
    low, high = min(known), max(known)
    ends = [(0.0, f"{low:.3g}"), (1.0, f"{high:.3g}")]
    if wide(low, high):
        return lambda value: log(value / low) / log(high / low), ends
    return lambda value: (value - low) / (high - low), ends


def tick_labels(labels: Sequence[tuple[float, float, str]]) -> Trace:
    """Return texts to the left of their places."""
    return {
        "type": "scatter",
        "mode": "text",
        "x": [x - 0.04 for x, _, _ in labels],
        "y": [y for _, y, _ in labels],
        "text": [label for _, _, label in labels],
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
