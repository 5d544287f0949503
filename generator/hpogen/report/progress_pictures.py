"""Pictures of values: the best so far, and learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hpogen.report.plotly_figure import (
    BASELINE,
    BEST,
    OTHER,
    Picture,
    Points,
    Trace,
    about_trial,
    dots,
    escaped,
    few,
    joined,
    lines,
    thinned,
    whole_axis,
)
from hpogen.report.view import StudyView
from hpogen.report.words import finite, plural, text_of
from recover_trials import Trial

MOST_CURVES = 200
FEW_VALUES = 20  # all of them are within the plot


def window(
    view: StudyView, values: Sequence[float], anchors: Sequence[float] = ()
) -> list[float] | None:
    """Return the range of an axis: the better nine tenths of many values, and all anchors."""
    if not view.sign or len(values) < 2:
        return None
    ordered = sorted(values, key=lambda value: view.sign * value)
    within = len(ordered) if len(ordered) <= FEW_VALUES else len(ordered) * 9 // 10
    shown = [*ordered[:within], *anchors]
    low, high = min(shown), max(shown)
    margin = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
    bounds = [low - margin, high + margin]
    return None if None in map(finite, bounds) else bounds


def outside(bounds: list[float] | None, values: Sequence[float]) -> str:
    """Say how many values lie outside the range of an axis."""
    if bounds is None:
        return ""
    hidden = sum(not bounds[0] <= value <= bounds[1] for value in values)
    return f"{hidden} of {plural(len(values), 'value')} beyond the plot." if hidden else ""


def baseline_marks(view: StudyView) -> dict[str, Any]:
    """Return a line and its name for each baseline in the study's metric."""
    same = [b for b in view.baselines if b.metric == view.metric]
    line = {"color": BASELINE, "width": 1.5, "dash": "dash"}
    place = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "line": line}
    note = {"xref": "paper", "x": 1, "xanchor": "right", "showarrow": False}
    highest = max((b.value for b in same), default=0.0)
    return {
        "shapes": [{**place, "y0": b.value, "y1": b.value} for b in same],
        "annotations": [
            {
                **note,
                "y": b.value,
                "yanchor": "bottom" if b.value == highest else "top",
                "text": f"{escaped(b.name)} {text_of(b.value)}",
                "font": {"color": BASELINE},
            }
            for b in same
        ],
    }


def history(view: StudyView) -> Picture | None:
    """Return values by trial, the best so far, and the baselines."""
    if not view.finished:
        return None
    anchors = [b.value for b in view.baselines if b.metric == view.metric]
    bounds = window(view, [trial.values[0] for trial in view.finished], anchors)
    points = [(trial.number, trial.values[0]) for trial in view.finished]
    pruned = [t for t in view.study.rows if t.state == "PRUNED" and finite(t.value) is not None]
    data = []
    path: Points = view.best_so_far
    if path:
        path = [*path, (max(view.study.trials), path[-1][1])]
        data += noise_band(view, path)
        data.append(lines("best so far", [path], BEST, line={"width": 2.5, "shape": "hv"}))
    texts = [about_trial(view, trial) for trial in view.finished]
    data.append(dots("complete", points, texts, OTHER, opacity=0.8))
    ends = [(trial.number, trial.values[0]) for trial in pruned]
    texts = [about_trial(view, trial) for trial in pruned]
    data.append(dots("pruned", ends, texts, OTHER, symbol="x-thin-open", size=6))
    again = [(trial.number, trial.values[0]) for trial in view.reruns]
    texts = [about_trial(view, trial) for trial in view.reruns]
    data.append(dots("rerun", again, texts, BEST, symbol="diamond-open"))
    caption = joined([outside(bounds, [value for _, value in points]), noise_words(view)])
    axis = {"title": {"text": escaped(view.metric)}, "range": bounds}
    trials = whole_axis("trial", max(view.study.trials))
    layout = {"xaxis": trials, "yaxis": axis, **baseline_marks(view)}
    keys = [("best", "best so far"), ("other", "complete"), *([("x", "pruned")] if ends else [])]
    keys += [("diamond", "rerun with another seed")] if again else []
    keys = keys if path else keys[1:]
    title = "Best value so far" if path else "Values"
    return Picture("history", title, caption, data, layout, keys)


def noise_band(view: StudyView, path: Points) -> list[Trace]:
    """Return a band of one standard deviation of the seed on both sides of a path."""
    if view.noise is None:
        return []
    edges = [[(x, y + side * view.noise.deviation) for x, y in path] for side in (-1, 1)]
    no_line = {"width": 0, "shape": "hv"}
    low, high = (lines("", [edge], BEST, line=no_line) for edge in edges)
    return [low, {**high, "fill": "tonexty", "fillcolor": "rgba(31,119,208,0.18)"}]


def noise_words(view: StudyView) -> str:
    """Return the sentence that explains the noise band, or why there is none."""
    if view.noise is None:
        return view.why_no_noise
    if view.rerun_noise:
        source = f"{view.noise.trials} reruns of trial {view.rerun_noise['rerun_of']}"
        return f"Band: ±1 SD of the seed ({view.noise.deviation:.2g}, from {source})."
    repeated = plural(view.noise.configurations, "repeated configuration")
    return f"Band: ±1 SD of the seed ({text_of(view.noise.deviation)}, from {repeated})."


Curve = tuple[Trial, list[tuple[int, float]]]


def curves(view: StudyView) -> Picture | None:
    """Return the picture of the learning curves; None without any."""
    found = [(trial, view.curve(trial)) for trial in view.study.rows]
    found = [(trial, curve) for trial, curve in found if len(curve) > 1]
    if not found:
        return None
    shown = thinned(found, MOST_CURVES, always=lambda item: item[0] is view.best)
    points = [point for _, curve in shown for point in curve]
    values = [value for _, value in points]
    bounds = window(view, values)
    best = [item for item in shown if item[0] is view.best]
    pruned = [item for item in shown if item[0].state == "PRUNED"]
    others = [item for item in shown if item not in best and item not in pruned]
    data = [
        lines("other trials", [curve for _, curve in others], OTHER, opacity=0.55),
        lines("pruned", [c for _, c in pruned], OTHER, opacity=0.55, line={"dash": "dot"}),
        lines("best trial", [curve for _, curve in best], BEST, line={"width": 2.5}),
        curve_ends(view, pruned, symbol="x-thin-open", size=6),
        curve_ends(view, [*others, *best], size=4),
    ]
    caption = joined([few(len(shown), len(found), "curve"), outside(bounds, values)])
    axis = {"title": {"text": escaped(view.metric)}, "range": bounds}
    unit = escaped(view.study.about.get("unit") or "step")
    steps = whole_axis(unit, max(step for step, _ in points))
    layout = {"xaxis": steps, "yaxis": axis, **baseline_marks(view)}
    keys = [("best", "best trial")] if best else []
    keys += [("other", "other trials"), *([("x", "pruned")] if pruned else [])]
    return Picture("curves", "Learning curves", caption, data, layout, keys)


def curve_ends(view: StudyView, items: Sequence[Curve], **marker: Any) -> Trace:
    """Return a mark at the end of each curve."""
    texts = [about_trial(view, trial) for trial, _ in items]
    return dots("", [curve[-1] for _, curve in items], texts, OTHER, **marker)
