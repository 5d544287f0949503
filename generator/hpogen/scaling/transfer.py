"""Transfer between budgets: what the best settings of one budget cost at another.

The regret is the loss of a trial with the settings of the other budget's best trial, relative to
the best loss of its own study. Sizes of the model are no such settings. Trials that are missing
are written as files for `--enqueue`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from hpogen.files import write_atomic
from hpogen.grid.budget import format_budget
from hpogen.report.words import finite
from hpogen.scaling.studies_that_qualify import Cell, range_of
from recover_trials import Trial

Regret = float | None


def settings_of(trial: Trial) -> dict[str, Any]:
    """Return the searched parameters of a trial but for its architecture."""
    return {name: v for name, v in trial.params.items() if not name.endswith("_idx")}


def regret(source: Cell, target: Cell) -> Regret:
    """Return the relative regret of one study's best settings in another; None if untried."""
    wanted = settings_of(source.winner)
    losses = [t.values[0] for t in target.view.finished if settings_of(t) == wanted]
    return min(losses) / target.view.ranking[0].values[0] - 1 if losses else None


def regrets(cells: Sequence[Cell]) -> list[list[Regret]]:
    """Return a row per source, a column per target."""
    return [[regret(source, target) for target in cells] for source in cells]


def matrix(cells: Sequence[Cell]) -> tuple[list[str], list[list[str]]]:
    """Return the matrix as a table; a dot is a pair that no trial has tried."""
    names = [format_budget(cell.budget) for cell in cells]
    rows = [
        [name, *("·" if value is None else f"{value:.2%}" for value in row)]
        for name, row in zip(names, regrets(cells), strict=True)
    ]
    return ["best of", *(f"at {name}" for name in names)], rows


def conclusion(cells: Sequence[Cell]) -> str:
    """Say what a transfer costs, in a sentence; empty if none was tried."""
    found = regrets(cells)
    between = [
        value
        for i, row in enumerate(found)
        for j, value in enumerate(row)
        if i != j and value is not None
    ]
    if not between:
        return ""
    text = f"The best settings of another budget cost {fmean(between):.2%} on average"
    noises = [cell.view.noise.deviation / cell.loss for cell in cells if cell.view.noise]
    if not noises:
        return f"{text}; seed noise is not known."
    noise = fmean(noises)
    word = "more" if fmean(between) > 2 * noise else "not more"
    return f"{text}, {word} than two SD of seed noise ({2 * noise:.2%})."


def write_untried(folder: Path, cells: Sequence[Cell]) -> list[Path]:
    """Write a file for `--enqueue` per study that lacks settings of others; return the paths.

    Settings outside of a study's ranges are left out. Raises UsageError.
    """
    paths = []
    for target in cells:
        wanted = [c for c in cells if c is not target and regret(c, target) is None]
        found = [configuration(source, target) for source in wanted if fits(source, target)]
        if found:
            paths.append(folder / f"{target.name}.json")
            write_atomic(paths[-1], f"{json.dumps(found, indent=1)}\n".encode())
    return paths


def configuration(source: Cell, target: Cell) -> dict[str, Any]:
    """Return the settings of a study's best trial, with the best architecture of another."""
    index = target.winner.user_attrs.get("arch_idx")
    return {**({} if index is None else {"arch_idx": index}), **settings_of(source.winner)}


def fits(source: Cell, target: Cell) -> bool:
    """Return whether settings lie in the search space of another study."""
    space = target.view.study.about.get("search_space")
    if not isinstance(space, dict):
        return False
    return all(
        name in space and contains(space[name], value)
        for name, value in settings_of(source.winner).items()
    )


def contains(distribution: dict[str, Any], value: Any) -> bool:
    """Return whether a distribution of a run line has a value."""
    choices = distribution.get("attributes", {}).get("choices")
    if isinstance(choices, list):
        return value in choices
    number, ends = finite(value), range_of(distribution)
    return number is not None and ends is not None and ends[0] <= number <= ends[1]
