"""Selection of the trials to write: sorted, and the first of them."""

from __future__ import annotations

from typing import Any

from recover_trials.errors import UnknownColumnError
from recover_trials.model import Study
from recover_trials.output.rows import NONE, column_of, table_of
from recover_trials.recovery_report import Recovery


def select_rows(recovery: Recovery, sort: str | None, top: int | None) -> None:
    """Sort the trials of every study by a column, and keep the first ones.

    The best values come first, finished trials before others; `-column` reverses the order.
    Trials without a value in the column come last. Raises UnknownColumnError if no study has it.
    """
    if sort:
        column_of(sort.removeprefix("-"), table_of(Recovery(recovery.studies))[0])
    for study in recovery.studies:
        trials = study.rows
        if sort:
            cells = cells_of(study, sort.removeprefix("-"))
            known = [index for index, cell in enumerate(cells) if cell is not None]
            is_reversed = sort.startswith("-") != is_best_last(study, sort.removeprefix("-"))
            known.sort(key=lambda index: order_of(cells[index]), reverse=is_reversed)
            if sort.removeprefix("-") == "value":
                known.sort(key=lambda index: trials[index].state != "COMPLETE")
            others = [index for index, cell in enumerate(cells) if cell is None]
            trials = [trials[index] for index in (*known, *others)]
        study.selected = trials[:top]


def cells_of(study: Study, name: str) -> list[Any]:
    """Return the cells of a column of one study, which may lack it."""
    columns, rows = table_of(Recovery([study]))
    try:
        place = columns.index(column_of(name, columns))
    except UnknownColumnError:
        return [None] * len(rows)
    return [row[place] for row in rows]


def is_best_last(study: Study, name: str) -> bool:
    """Return whether the best trial has the largest cell."""
    return name == "value" and study.direction == "maximize"


def order_of(cell: Any) -> tuple[str, Any]:
    """Return the key of a cell; numbers come before texts."""
    if isinstance(cell, (bool, int, float)):
        return "", cell
    return type(cell).__name__, "None" if cell is NONE else str(cell)
