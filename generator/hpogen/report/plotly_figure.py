"""Pictures in the JSON of plotly.js; plotly itself is not needed to make them.

Optuna's own pictures are not used: they need Optuna and a study of complete rows, and its parallel
coordinates use WebGL, which browsers limit to about sixteen areas per page.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any, TypeVar

from hpogen.report.view import StudyView
from hpogen.report.words import plural, text_of
from recover_trials import Trial

# Readable on a light and on a dark page.
BEST, GOOD, OTHER, BASELINE = "#1f77d0", "#7fb2e5", "#8b949e", "#d9822b"
WHOLE = 12  # up to here every whole number of an axis has a mark
MANY = 500  # points of this number are small
Item = TypeVar("Item")
Trace = dict[str, Any]
Points = Sequence[tuple[Any, Any]]


@dataclass
class Picture:
    """A figure with its words.

    Attributes:
        key: name within a study.
        title: what it shows.
        caption: how to read it.
        data: traces.
        layout: axes and annotations, without colours of the page.
        keys: (colour or kind, meaning) of its marks.
        height: pixels.
        least_width: pixels below which it is scrolled.
        most_width: pixels above which it does not grow; 0: no limit.
    """

    key: str
    title: str
    caption: str
    data: list[Trace]
    layout: dict[str, Any]
    keys: list[tuple[str, str]] = field(default_factory=list)
    height: int = 340
    least_width: int = 0
    most_width: int = 0

    @property
    def subtitle(self) -> str:
        """Return the caption on short lines, for plotly."""
        return "<br>".join(wrap(html.escape(self.caption, quote=False), 110)[:3])


def escaped(value: Any, most: int = 40) -> str:
    """Return text of a log for plotly, which reads a few tags of HTML."""
    return html.escape(text_of(value, most), quote=False)


def lines(name: str, groups: Iterable[Points], colour: str, **more: Any) -> Trace:
    """Return several lines as one trace, with a gap between them."""
    xs: list[Any] = []
    ys: list[Any] = []
    for points in groups:
        xs += [*(x for x, _ in points), None]
        ys += [*(y for _, y in points), None]
    line = {"color": colour, "width": 1.2, **more.pop("line", {})}
    trace = {"type": "scatter", "mode": "lines", "name": name, "x": xs, "y": ys, "line": line}
    return {**trace, "hoverinfo": "skip", "showlegend": bool(name), **more}


def dots(name: str, points: Points, texts: Sequence[str], colour: str, **marker: Any) -> Trace:
    """Return points with a text that shows when they are pointed at."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [x for x, _ in points],
        "y": [y for _, y in points],
        "text": list(texts),
        "hoverinfo": "text",
        "showlegend": bool(name),
        "marker": {"color": colour, "size": 7 if len(points) <= MANY else 4, **marker},
    }


def about_trial(view: StudyView, trial: Trial) -> str:
    """Return number, value and settings of a trial as lines to show when it is pointed at."""
    values = ", ".join(map(text_of, trial.values)) or "no value"
    settings = [
        f"{escaped(name)} {escaped(value, 30)}"
        for name, value in list(view.settings(trial).items())[:12]
    ]
    return "<br>".join([f"<b>Trial {trial.number}</b> {trial.state} {values}", *settings])


def whole_axis(title: str, last: int) -> dict[str, Any]:
    """Return an axis of whole numbers, with a mark at each if they are few."""
    return {"title": {"text": title}, **({"dtick": 1} if last <= WHOLE else {})}


def thinned(
    items: Sequence[Item], most: int, always: Callable[[Item], bool] = lambda _item: False
) -> list[Item]:
    """Return about `most` items, evenly chosen, and those that are always wanted."""
    step = max(1, -(-len(items) // most))
    return [item for i, item in enumerate(items) if i % step == 0 or always(item)]


def few(shown: int, total: int, noun: str) -> str:
    """Say that not all are shown, where that is so."""
    return f"{shown} of {plural(total, noun)} are shown." if shown < total else ""


def joined(sentences: Iterable[str]) -> str:
    """Return the sentences that are not empty as one text."""
    return " ".join(filter(None, sentences))
