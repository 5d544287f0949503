"""Coverage of the architecture grid: shapes tried, extremes, gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from hpogen.report.view import AXES, StudyView
from hpogen.report.words import listed, plural, text_of
from recover_trials import Study, Trial, complete_from_list, read_architectures

TIMES = " \N{MULTIPLICATION SIGN} "
Cell = tuple[int, int]  # d_model, n_layers
Shape = tuple[str, ...]  # values of the axes that make a shape


@dataclass
class Tried:
    """The trials of one cell: how many, the best of them, the extremes among them."""

    trials: int = 0
    best: Trial | None = None
    extremes: list[str] = field(default_factory=list)


class Coverage(NamedTuple):
    """The plane of width and depth, and the shapes behind it.

    Attributes:
        tried: trials by cell of the plane.
        empty: cells of the grid without a trial; none if the grid is not known.
        axes: the axes that make a shape.
        n_tried: number of shapes with a trial.
        untried: shapes of the grid without a trial; none if the grid is not known.
        total: number of shapes of the grid, None if the log does not hold it.
    """

    tried: dict[Cell, Tried]
    empty: list[Cell]
    axes: list[str]
    n_tried: int
    untried: list[Shape]
    total: int | None

    @property
    def widths(self) -> list[int]:
        return sorted({cell[0] for cell in [*self.tried, *self.empty]})

    @property
    def depths(self) -> list[int]:
        return sorted({cell[1] for cell in [*self.tried, *self.empty]})


def coverage_of(view: StudyView) -> Coverage | None:
    """Return the coverage of a study; None if its trials have no width and depth."""
    tried: dict[Cell, Tried] = {}
    shapes: set[Shape] = set()
    axes = shape_axes(view.study)
    for trial in view.study.rows:
        sizes = {**trial.params, **trial.user_attrs}
        if (cell := cell_of(sizes)) is None:
            continue
        shapes.add(shape_of(sizes, axes))
        found = tried.setdefault(cell, Tried())
        found.trials += 1
        if extreme := trial.user_attrs.get("extreme"):
            found.extremes.append(text_of(extreme))
    for trial in reversed(view.ranking if view.sign else ()):
        if cell := cell_of({**trial.params, **trial.user_attrs}):
            tried[cell].best = trial
    if not tried:
        return None
    rows = grid_rows(view)
    untried = dict.fromkeys(s for row in rows if (s := shape_of(row, axes)) not in shapes)
    empty = {c for row in rows if (c := cell_of(row)) and c not in tried}
    known = shapes_in(view.study) or 0
    total = len(shapes) + len(untried) if rows else known if known >= len(shapes) else None
    return Coverage(tried, sorted(empty), axes, len(shapes), list(untried), total)


def shape_axes(study: Study) -> list[str]:
    """Return the axes that make a shape: those that a trial does not choose within it."""
    free = study.about.get("free_axes")
    if not isinstance(free, list):
        return ["d_model", "n_layers"]
    return [axis for axis in AXES if axis not in free]


def shape_of(sizes: Mapping[str, Any], axes: list[str]) -> Shape:
    return tuple(str(sizes.get(axis, "?")) for axis in axes)


def cell_of(sizes: Mapping[str, Any]) -> Cell | None:
    """Return width and depth."""
    width, depth = sizes.get("d_model"), sizes.get("n_layers")
    sound = all(type(size) is int and 0 < size < 10**9 for size in (width, depth))
    return (int(width), int(depth)) if width and depth and sound else None


def grid_rows(view: StudyView) -> list[Mapping[str, int]]:
    """Return the architectures that a study may try."""
    skipped = view.study.about.get("skip_indices")
    left_out = skipped if isinstance(skipped, list) else []
    return [row for index, row in enumerate(view.architectures) if index not in left_out]


def shapes_in(study: Study) -> int | None:
    """Return the number of shapes in the search space of a log."""
    try:
        bounds = study.about["search_space"]["shape_idx"]["attributes"]
        return int(bounds["high"]) - int(bounds["low"]) + 1
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def coverage_sentence(coverage: Coverage) -> str:
    """Say how much of the grid was tried, and name the gaps."""
    if coverage.total is None:
        return f"{plural(coverage.n_tried, 'shape')} tried; the log does not hold the whole grid."
    text = f"{coverage.n_tried} of {plural(coverage.total, 'shape')} tried"
    if coverage.untried:
        gaps = [TIMES.join(shape) for shape in coverage.untried]
        return f"{text}; untried ({TIMES.join(coverage.axes)}): {listed(gaps)}."
    if coverage.n_tried < coverage.total:
        return f"{text}; --arch-list SCRIPT shows the others."
    return f"{text}."


def architectures_for(study: Study, given: Path | None) -> list[dict[str, int]]:
    """Return the grid of a study: of the given list, or of the script beside the log's folder.

    Empty if the rows differ from the trials' or their number from the log's. Raises OSError for a
    given list that cannot be read.
    """
    source = Path(study.source)
    if given is None and not study.about:
        return []
    try:
        rows = read_architectures(given or source.parent.parent / f"{source.stem}.py")
    except (OSError, ValueError):
        if given is not None:
            raise
        return []
    if given is not None:
        complete_from_list(study, rows)
    return rows if is_grid_of(study, rows) else []


def is_grid_of(study: Study, rows: list[dict[str, int]]) -> bool:
    """Tell whether rows are the architectures of a study, as far as its log shows."""
    axes = shape_axes(study)
    shapes = {shape_of(row, axes) for row in rows}
    if shapes_in(study) not in (None, len(shapes)) and not study.about.get("skip_indices"):
        return False
    return all(matches(trial.user_attrs, rows) for trial in study.rows)


def matches(attributes: dict[str, Any], rows: list[dict[str, int]]) -> bool:
    """Tell whether a trial's architecture is the row that it names."""
    index = attributes.get("arch_idx")
    if type(index) is not int:
        return False
    return 0 <= index < len(rows) and cell_of(rows[index]) == cell_of(attributes)
