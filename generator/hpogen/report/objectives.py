"""Several objectives of a study: its Pareto front as a table and as a picture."""

from __future__ import annotations

from typing import NamedTuple

from hpogen.report.plotly_figure import BEST, OTHER, Picture, about_trial, dots, escaped
from hpogen.report.view import StudyView
from hpogen.report.words import finite, text_of
from recover_trials import Trial
from recover_trials.errors import ObjectiveError, UnknownColumnError
from recover_trials.pareto import front_of, own_objectives, points_of

Point = tuple[Trial, tuple[float, ...]]
Table = tuple[list[str], list[list[str]]]


class Objectives(NamedTuple):
    """The values of the complete trials by objective.

    Attributes:
        titles: of the objectives.
        points: trials with their values, one per objective.
        front: those on the Pareto front, the best by the first objective first; empty if the log
            does not show the directions.
    """

    titles: list[str]
    points: list[Point]
    front: list[Point]


def objectives_of(view: StudyView) -> Objectives | None:
    """Return the objectives of a study that has several, None for others."""
    asked = own_objectives(view.study)
    try:
        found = points_of(view.study, asked) if asked else []
    except UnknownColumnError:
        return None
    points = [(trial, values) for trial, values in found if None not in map(finite, values)]
    if not points:
        return None
    try:
        best = front_of(view.study, asked)
    except ObjectiveError:
        best = []
    values_of = {trial.number: values for trial, values in points}
    front = [(t, values_of[t.number]) for t in best if t.number in values_of]
    titles = [view.metric if item.name == "value" else item.name for item in asked]
    return Objectives(titles, points, front)


def front_table(view: StudyView) -> Table | None:
    """Return the Pareto front: a row per trial; None for a study without one."""
    found = objectives_of(view)
    if not (found and found.front):
        return None
    head = ["trial", *(text_of(title, 30) for title in found.titles)]
    return head, [[str(trial.number), *map(text_of, values)] for trial, values in found.front]


def objectives(view: StudyView) -> Picture | None:
    """Return the first two objectives as a picture, a point per trial."""
    found = objectives_of(view)
    if found is None:
        return None
    best = {id(trial) for trial, _ in found.front}
    others = [point for point in found.points if id(point[0]) not in best]
    data = [
        dots(
            name,
            [(values[0], values[1]) for _, values in points],
            [about_trial(view, trial) for trial, _ in points],
            colour,
            opacity=0.8,
        )
        for name, points, colour in (
            ("other trials", others, OTHER),
            ("Pareto front", found.front, BEST),
        )
        if points
    ]
    x, y = ({"title": {"text": escaped(title)}} for title in found.titles[:2])
    caption = "A point per complete trial."
    keys = []
    if found.front:
        caption += " No other trial beats one of the Pareto front in all objectives."
        keys = [("best", "Pareto front"), ("other", "other trials")]
    return Picture("objectives", "Objectives", caption, data, {"xaxis": x, "yaxis": y}, keys)
