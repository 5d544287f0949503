"""Tables that the text and the page share."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from hpogen.grid.budget import format_budget
from hpogen.report.costs import seconds_of
from hpogen.report.smoothed import SHOWN, Smoothed
from hpogen.report.study_verdict import margin, short_verdict
from hpogen.report.view import StudyView, progress_of
from hpogen.report.words import duration, text_of


class Row(NamedTuple):
    """A study in a table of studies; `kind` is that of its verdict."""

    kind: str
    cells: list[str]


def best_table(view: StudyView, smoothed: Smoothed | None) -> tuple[list[str], list[list[str]]]:
    """Return the best trials side by side: head, values, and a row per setting."""
    trials = view.ranking[:SHOWN]
    settings = [view.settings(trial) for trial in trials]
    names = dict.fromkeys(name for found in settings for name in found)
    values = [view.metric, *(text_of(trial.values[0]) for trial in trials)]
    rows = [[text_of(name), *(cell(found, name) for found in settings)] for name in names]
    again = [rerun_values(view, trial.number) for trial in trials]
    beside = [["in reruns", *again]] if any(again) else []
    if smoothed:
        beside.append(["truly best", *(f"{smoothed.chances[t.number]:.0%}" for t in trials)])
    return ["trial", *(str(trial.number) for trial in trials)], [values, *beside, *rows]


def rerun_values(view: StudyView, number: int) -> str:
    """Return the mean over the reruns of a trial and their number: `0.5213 (3)`."""
    values = [trial.values[0] for trial in view.reruns if trial.rerun_of == number]
    return f"{text_of(fmean(values))} ({len(values)})" if values else ""


def cell(settings: dict[str, object], name: str) -> str:
    """Return a setting, or nothing where a trial lacks it."""
    return text_of(settings[name], 24) if name in settings else ""


def comparison(views: Sequence[StudyView]) -> tuple[list[str], list[Row]]:
    """Return head and rows of studies beside each other, without columns that are empty."""
    head = ["study", "budget", "horizon", "task", "trials", "metric", "best", "verdict"]
    head += ["baseline", "lead", "seed SD", "time"]
    rows = [study_row(view) for view in views]
    used = [name for i, name in enumerate(head) if any(row.cells[i] for row in rows)]
    return only(used, head, rows)


def only(names: Sequence[str], head: list[str], rows: list[Row]) -> tuple[list[str], list[Row]]:
    """Return a table with some of its columns."""
    kept = [index for index, name in enumerate(head) if name in names]
    return [head[i] for i in kept], [Row(row.kind, [row.cells[i] for i in kept]) for row in rows]


def study_row(view: StudyView) -> Row:
    """Return a study as a row."""
    about, beside = view.study.about, margin(view)
    kind, words = short_verdict(view)
    times = [seconds for trial in view.study.rows if (seconds := seconds_of(trial)) is not None]
    known = [about.get("horizon"), about.get("task")]
    cells = [
        view.name,
        format_budget(view.budget) if view.budget else "",
        *("" if value is None else text_of(value) for value in known),
        progress_of(view).removesuffix(" trials"),
        view.metric,
        "" if view.best is None else text_of(view.best.value),
        words,
        "" if beside is None else f"{text_of(beside[1])} {beside[0]}",
        "" if beside is None else f"{beside[2]:+.3g}",
        "" if view.noise is None else f"{view.noise.deviation:.2g}",
        duration(sum(times)) if times else "",
    ]
    return Row(kind, cells)
