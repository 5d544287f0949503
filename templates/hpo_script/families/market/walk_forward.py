"""Walk-forward: a trial trains once per fold, and each metric is the mean over the folds.

The last fold is the default split. The validation days of each other fold are those before, and
its training days end where they begin, so no fold sees a day before it is predicted.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from hpo_script.families.market.constants import TRAIN_FRACTION, VAL_FRACTION, WALK_FORWARD
from hpo_script.families.market.data import Task as FoldTask


class Task(FoldTask):
    """The last fold, and `folds`: every fold, from the first to the last."""

    def __init__(self, data_path: str, data_sha256: str | None) -> None:
        super().__init__(data_path, data_sha256)
        shares = [TRAIN_FRACTION - fold * VAL_FRACTION for fold in range(WALK_FORWARD)]
        self.folds = [FoldTask(data_path, data_sha256, share) for share in reversed(shares)]

    def load(self, device: torch.device) -> None:
        """Load every fold."""
        super().load(device)
        for fold in self.folds:
            fold.load(device)

    def limit_for_smoke(self) -> dict[str, int]:
        """Limit every fold."""
        for fold in self.folds:
            fold.limit_for_smoke()
        return super().limit_for_smoke()

    def describe(self) -> dict[str, Any]:
        """Return the description of the last fold, and the validation days of the others."""
        earlier = {
            f"fold_{number}_val_days": fold.describe()["val_days"]
            for number, fold in enumerate(self.folds[:-1], 1)
        }
        return {**super().describe(), **earlier}

    def baselines(self) -> dict[str, dict[str, float]]:
        """Return the means of each baseline over the folds."""
        folds = [fold.baselines() for fold in self.folds]
        return {name: combined([fold[name] for fold in folds]) for name in folds[0]}


def members(task: Task, key: tuple[int, int]) -> list[tuple[FoldTask, tuple[int, int]]]:
    """Return the data and the key of each training of a trial."""
    return [(fold, key) for fold in task.folds]


def combined(points: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the mean of each metric over the folds."""
    return {name: statistics.mean(point[name] for point in points) for name in points[0]}
