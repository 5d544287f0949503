"""Pareto front of a recovered study: the trials that no other one beats in all its objectives.

Only complete trials count that are no reruns and that have a finite number for each objective.
"""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

from hpo_script.machinery.pareto_front import pareto_front
from recover_trials.errors import ObjectiveError
from recover_trials.model import Study, Trial
from recover_trials.output.rows import table_of
from recover_trials.recovery_report import Recovery

SIGNS = {"minimize": 1, "maximize": -1}
# Names, or last words of names, of metrics whose direction is known.
HIGHER_IS_BETTER = re.compile(r"(.*_)?(f1|auc|accuracy|recall|precision|exact_match|per_second)")
LOWER_IS_BETTER = re.compile(
    r"(.*_)?(loss|brier|ece|per_byte|error|seconds|bytes|flops|param_count)"
)
ALL_VALUES = "values"


class Objective(NamedTuple):
    """A column of the trial table, and minimize or maximize; None: not stated."""

    name: str
    direction: str | None = None


def read_objectives(text: str) -> list[Objective]:
    """Return the objectives of NAME[:DIRECTION],… Raises ObjectiveError."""
    found = []
    for word in text.split(","):
        name, _, direction = word.strip().partition(":")
        if direction not in ("", *SIGNS):
            raise ObjectiveError(f"{word.strip()}: write {name}:minimize or {name}:maximize")
        found.append(Objective(name, direction or None))
    if len(found) < 2 and found[0].name != ALL_VALUES:
        raise ObjectiveError(f"{text}: a Pareto front needs two columns, such as value,ece")
    return found


def own_objectives(study: Study) -> list[Objective]:
    """Return the objectives of a study that has several, else []."""
    if second := study.about.get("second_metric"):
        return [Objective("value"), Objective(str(second))]
    n_values = max((len(trial.values) for trial in study.rows), default=0)
    return [Objective(f"values_{index}") for index in range(n_values)] if n_values > 1 else []


def front_of(study: Study, objectives: list[Objective]) -> list[Trial]:
    """Return the trials of the front, the best by the first objective first.

    Raises UnknownColumnError, or ObjectiveError for an objective whose direction is unknown.
    """
    points = points_of(study, objectives)
    if not points:
        return []
    signs = [SIGNS[direction_of(study, objective)] for objective in objectives]
    signed = [
        (trial, tuple(sign * value for sign, value in zip(signs, values, strict=True)))
        for trial, values in points
    ]
    best = pareto_front(point for _, point in signed)
    front = [(point, trial) for trial, point in signed if point in best]
    return [trial for _, trial in sorted(front, key=lambda found: (found[0], found[1].number))]


def points_of(study: Study, objectives: list[Objective]) -> list[tuple[Trial, tuple[float, ...]]]:
    """Return the trials that count, and their numbers for the objectives."""
    trials = study.rows
    if not trials:
        return []
    _, rows = table_of(Recovery([study], columns=[objective.name for objective in objectives]))
    return [
        (trial, tuple(row))
        for trial, row in zip(trials, rows, strict=True)
        if trial.state == "COMPLETE" and trial.rerun_of is None and all(map(is_finite, row))
    ]


def is_finite(cell: Any) -> bool:
    """Return whether a cell is a finite number."""
    return type(cell) in (int, float) and math.isfinite(cell)


def direction_of(study: Study, objective: Objective) -> str:
    """Return the direction of an objective: stated, of the study, or known from the name."""
    name, about = objective.name.removeprefix("user_attrs_"), study.about
    stated = {f"values_{index}": way for index, way in enumerate(about.get("directions") or [])}
    stated[str(about.get("second_metric"))] = about.get("second_direction")
    stated |= dict.fromkeys(("value", str(about.get("metric"))), study.direction)
    by_name = "minimize" if LOWER_IS_BETTER.fullmatch(name) else None
    by_name = "maximize" if HIGHER_IS_BETTER.fullmatch(name) else by_name
    direction = objective.direction or stated.get(name) or by_name
    if direction not in SIGNS:
        way = f"write {objective.name}:minimize or {objective.name}:maximize"
        raise ObjectiveError(f"the direction of {objective.name} is unknown; {way}")
    return direction


def select_front(recovery: Recovery, text: str) -> None:
    """Keep the trials on the front of each study. Raises the errors of `front_of`."""
    objectives = read_objectives(text)
    for study in recovery.studies:
        asked = own_objectives(study) if objectives[0].name == ALL_VALUES else objectives
        if not asked:
            raise ObjectiveError(f"{study.name}: its trials have one value; name two columns")
        study.selected = front_of(study, asked)
        study.front = [objective.name for objective in asked]
