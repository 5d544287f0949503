"""The picture of the costs of each trial."""

from __future__ import annotations

from typing import Any

from hpogen.report.costs import Cost, costs_of
from hpogen.report.plotly_figure import BEST, OTHER, Picture, Trace, dots, whole_axis
from hpogen.report.view import StudyView
from hpogen.report.words import count


def costs(view: StudyView) -> Picture | None:
    """Return the costs of each trial, a strip per kind."""
    found = costs_of(view)
    if not found:
        return None
    data: list[Trace] = []
    layout: dict[str, Any] = {"annotations": []}
    share = 1 / len(found)
    for index, cost in enumerate(found):
        axis = "" if index == 0 else str(index + 1)
        top = 1 - index * share
        data.append({**strip(view, cost), "yaxis": f"y{axis}"})
        layout[f"yaxis{axis}"] = {
            "domain": [top - share * 0.72, top - share * 0.08],
            "rangemode": "tozero",
            "nticks": 4,
            "tickformat": "~s" if max(value for _, value in cost.values) >= 1000 else "",
            "anchor": "x",
        }
        layout["annotations"].append(strip_title(f"{cost.title} ({cost.unit})", top))
    last = "" if len(found) == 1 else str(len(found))
    layout["xaxis"] = {**whole_axis("trial", max(view.study.trials)), "anchor": f"y{last}"}
    keys = [("best", "best trial"), ("other", "other trials")]
    height = 90 + 130 * len(found)
    return Picture("costs", "Cost", "", data, layout, keys if view.best else [], height)


def strip(view: StudyView, cost: Cost) -> Trace:
    """Return the values of a kind of cost by trial."""
    points = [(trial.number, value) for trial, value in cost.values]
    unit = f" {cost.unit}" if cost.written is count else ""
    texts = [f"Trial {trial.number}: {cost.written(value)}{unit}" for trial, value in cost.values]
    colours = [BEST if trial is view.best else OTHER for trial, _ in cost.values]
    return dots("", points, texts, OTHER, color=colours)


def strip_title(text: str, top: float) -> dict[str, Any]:
    """Return the title of a strip as an annotation."""
    place = {"xref": "paper", "yref": "paper", "x": 0, "y": top, "xanchor": "left"}
    return {**place, "yanchor": "top", "text": text, "showarrow": False, "font": {"size": 12}}
