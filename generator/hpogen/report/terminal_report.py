"""The essence of a report, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hpogen.report.costs import cost_lines
from hpogen.report.coverage import Coverage, coverage_of, coverage_sentence
from hpogen.report.final_result import GAIN_HEAD, gains
from hpogen.report.importance import importances_of
from hpogen.report.objectives import front_table
from hpogen.report.smoothed import smoothed_of, smoothed_sentence
from hpogen.report.study_verdict import verdicts
from hpogen.report.tables import best_table, comparison, only
from hpogen.report.view import StudyView
from hpogen.report.words import text_of

STYLES = {"bad": "bold red", "good": "bold green", "note": ""}
BLOCKS = "▁▂▃▄▅▆▇█"
LONGEST_CURVE = 60
MOST_STEPS = 8
WIDE = 120  # columns that a table of studies needs
NARROW = ("study", "trials", "best", "verdict")


def print_report(console: Console, views: Sequence[StudyView], findings: Sequence[str]) -> None:
    """Print the studies, several of them beside each other first."""
    if len(views) > 1:
        head, rows = comparison(views)
        if console.width < WIDE:
            head, rows = only(NARROW, head, rows)
        console.print(table_of(head, [row.cells for row in rows], left=(0, head.index("verdict"))))
    for view in views:
        if len(views) > 1:
            console.print()
        print_study(console, view)
    for finding in findings:
        console.print(Text(finding))


def print_study(console: Console, view: StudyView) -> None:
    """Print one study."""
    console.print(Text.assemble((view.name, "bold"), "  ", " · ".join(view.about)))
    for kind, sentence in verdicts(view):
        console.print(Text(sentence, STYLES[kind]))
    print_gains(console, view)
    console.print(Text(f"\nTrials: {', '.join(view.states)}"))
    for line in view.integrity:
        console.print(Text(f"  {line}"))
    if view.ranking and view.sign:
        heading(console, "Best trials")
        smoothed, reason = smoothed_of(view)
        console.print(table_of(*best_table(view, smoothed)))
        console.print(Text(smoothed_sentence(view, smoothed) if smoothed else reason))
    print_front(console, view)
    if len(view.best_so_far) > 1:
        steps = [f"{text_of(value)} (trial {n})" for n, value in view.best_so_far]
        shown = steps if len(steps) <= MOST_STEPS else [steps[0], "…", *steps[2 - MOST_STEPS :]]
        heading(console, "Best value so far")
        console.print(Text(" → ".join(shown)))
    if view.best and len(curve := view.curve(view.best)) > 1:
        heading(console, f"Learning curve of trial {view.best.number}")
        values = [value for _, value in curve]
        ends = f"{text_of(values[0])} {sparkline(values)} {text_of(values[-1])}"
        console.print(Text(ends))
    print_importance(console, view)
    if coverage := coverage_of(view):
        heading(
            console, "Shapes (rows d_model, columns n_layers): trials, * with the best, · untried"
        )
        console.print(map_of(coverage, view))
        console.print(Text(coverage_sentence(coverage)))
    if lines := cost_lines(view):
        heading(console, "Cost")
        console.print(table_of(["", "median", "range", "sum"], lines))


def heading(console: Console, title: str) -> None:
    """Print the title of a section."""
    console.print(Text(f"\n{title}", "bold"))


def print_gains(console: Console, view: StudyView) -> None:
    """Print the gains on the test split, which only a final script knows."""
    if found := gains(view):
        heading(console, "Gain over the baselines on the test split")
        console.print(table_of(GAIN_HEAD, [gain.cells for gain in found], left=(0, 1)))


def print_front(console: Console, view: StudyView) -> None:
    """Print the Pareto front of a study with several objectives."""
    if front := front_table(view):
        heading(console, "Pareto front")
        console.print(table_of(*front))


def print_importance(console: Console, view: StudyView) -> None:
    """Print the importances as bars."""
    if len(view.finished) < 2:
        return
    found, reason = importances_of(view)
    heading(console, "Importance of settings")
    if reason:
        console.print(Text(reason))
        return
    rows = [
        [text_of(item.name), f"{item.share:.0%}", "█" * round(item.share * 40)]
        + (["as large by chance"] if item.share <= item.by_chance else [""])
        for item in found
    ]
    console.print(table_of(["setting", "share", "", ""], rows, left=(0, 2, 3)))


def map_of(coverage: Coverage, view: StudyView) -> Table:
    """Return the plane of width and depth: trials per shape, the best one marked."""
    rows = []
    for width in reversed(coverage.widths):
        cells = [str(width)]
        for depth in coverage.depths:
            cell = coverage.tried.get((width, depth))
            empty = "·" if (width, depth) in coverage.empty else ""
            mark = "*" if cell and view.best and cell.best is view.best else ""
            cells.append(f"{mark}{cell.trials}" if cell else empty)
        rows.append(cells)
    return table_of(["", *map(str, coverage.depths)], rows, left=())


def table_of(head: Sequence[str], rows: Sequence[Sequence[str]], left: Any = (0,)) -> Table:
    """Return an aligned table; columns are right-aligned but for `left`."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for index, name in enumerate(head):
        table.add_column(Text(name), justify="left" if index in left else "right")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def sparkline(values: Sequence[float]) -> str:
    """Return a curve as blocks; a long one is thinned evenly."""
    step = max(1, len(values) / LONGEST_CURVE)
    thinned = [values[int(i * step)] for i in range(min(len(values), LONGEST_CURVE))]
    low, high = min(values), max(values)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((value - low) * scale)] for value in thinned)
