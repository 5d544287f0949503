"""Shapes: the cost of each architecture, and whether it fits this machine."""

from __future__ import annotations

from collections.abc import Mapping

from hpo_script.constants import ARCHITECTURES
from hpo_script.experiment.shared import UnusableError
from hpo_script.experiment.space import SPACE
from hpo_script.experiment.task import Task
from hpo_script.machinery.device import ShapeCost, measure
from hpo_script.machinery.log_file import say


def measure_shapes(task: Task) -> dict[int, ShapeCost]:
    """Return the cost of each architecture: of its shape, with the most heads."""
    costs: dict[int, ShapeCost] = {}
    for rows in SPACE.shapes:
        costs |= dict.fromkeys(rows, measure(task, ARCHITECTURES[rows[-1]]))
    return costs


def check_shapes(costs: Mapping[int, ShapeCost], free: int) -> None:
    """Report shapes that do not fit and counts that differ. Raises UnusableError if none fits."""
    for rows in SPACE.shapes:
        arch, cost = ARCHITECTURES[rows[-1]], costs[rows[-1]]
        if cost.params != arch["params"]:
            say(f"{arch}: the model has {cost.params:,} parameters; the log has this number")
        if not cost.micro_batch(free, 1):
            say(f"warning: {arch} does not fit into {free:,} bytes: its trials will fail (oom)")
    if not any(cost.micro_batch(free, 1) for cost in costs.values()):
        raise UnusableError("no architecture fits this machine; --dry-run shows the plan")
