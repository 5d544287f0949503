"""The picture of the architectures that a study tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hpogen.report.coverage import TIMES, Coverage, Tried, coverage_sentence
from hpogen.report.plotly_figure import OTHER, Picture, Trace, about_trial, dots, escaped
from hpogen.report.view import StudyView
from hpogen.report.words import plural


def grid(view: StudyView, coverage: Coverage) -> Picture:
    """Return the plane of width and depth: cells tried, their best values, and gaps."""
    cells = list(coverage.tried.items())
    scored = [(cell, tried) for cell, tried in cells if tried.best]
    plain = [(cell, tried) for cell, tried in cells if not tried.best]
    colours = {
        "color": [tried.best.values[0] for _, tried in scored if tried.best],
        "colorscale": "Viridis",
        "reversescale": view.sign > 0,
        "showscale": len(scored) > 1,
        "colorbar": {
            "title": {"text": f"best {escaped(view.metric)}", "side": "top"},
            "orientation": "h",
            "thickness": 8,
            "outlinewidth": 0,
            "nticks": 4,
            "y": 1.02,
            "yanchor": "bottom",
        },
        "symbol": "square",
        "size": 26,
    }
    data = [
        cell_marks("gap", [(c, "untried") for c in coverage.empty], symbol="square-open", size=12)
    ]
    no_value = [(cell, cell_words(view, tried)) for cell, tried in plain]
    data.append(cell_marks("no value", no_value, symbol="square-open", size=26))
    best = [(cell, cell_words(view, tried)) for cell, tried in scored]
    data.append({**cell_marks("tried", best), "marker": colours})
    ends = [(cell, ", ".join(tried.extremes)) for cell, tried in cells if tried.extremes]
    data.append(cell_marks("extreme", ends, symbol="circle-open", size=34) | {"hoverinfo": "skip"})
    axes = {
        "xaxis": plane_axis("n_layers", coverage.depths),
        "yaxis": plane_axis("d_model", coverage.widths),
    }
    caption = f"{coverage_sentence(coverage)} {'Brighter is better.' if scored else ''}"
    keys = [("tried", "tried")]
    keys += [("none", "tried, none complete")] if plain and scored else []
    keys += [("gap", "untried")] if coverage.empty else []
    keys += [("ring", "an extreme of the grid")] if ends else []
    n_depths = len(coverage.depths)
    size = {"height": 180 + 44 * len(coverage.widths), "least_width": 80 + 34 * n_depths}
    size["most_width"] = 180 + 72 * n_depths
    return Picture("grid", "Architectures", caption, data, axes, keys, **size)


def plane_axis(title: str, sizes: Sequence[int]) -> dict[str, Any]:
    """Return an axis with one place per size."""
    names = list(map(str, sizes))
    order = {"categoryorder": "array", "categoryarray": names, "range": [-0.6, len(names) - 0.4]}
    return {"type": "category", "title": {"text": title, "standoff": 32}, **order}


def cell_marks(name: str, cells: Sequence[tuple[tuple[int, int], str]], **marker: Any) -> Trace:
    """Return marks in cells of the plane."""
    places = [(str(cell[1]), str(cell[0])) for cell, _ in cells]
    texts = [f"{cell[0]}{TIMES}{cell[1]}<br>{words}" for cell, words in cells]
    return dots(name, places, texts, OTHER, **marker)


def cell_words(view: StudyView, tried: Tried) -> str:
    """Return the hover text of a cell: number of trials, extremes and best trial."""
    words = [plural(tried.trials, "trial"), *map(escaped, tried.extremes[:4])]
    return "<br>".join([*words, about_trial(view, tried.best)] if tried.best else words)
