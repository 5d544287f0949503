"""Seeds: a trial trains once with each of SEEDS; the split stays the same.

Each metric is the mean, so the noise of a single training weighs less.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from hpo_script.constants import METRIC, SEEDS
from hpo_script.experiment.task import Task


def members(task: Task, key: tuple[int, int]) -> list[tuple[Task, tuple[int, int]]]:
    """Return the data and the key of each training of a trial."""
    seed, trial = key
    return [(task, (seed + more, trial)) for more in SEEDS]


def combined(points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the mean of each metric, and the standard deviation of the trial's value."""
    found = {name: statistics.mean(point[name] for point in points) for name in points[0]}
    return {**found, f"{METRIC}_sd": statistics.stdev(point[METRIC] for point in points)}
