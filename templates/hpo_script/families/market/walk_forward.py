"""Walk-forward: a trial trains once per fold, and each metric is the mean over the folds.

The last fold is the default split. The validation days of each other fold are those before, and
its training days end where they begin, so no fold sees a day before it is predicted.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from hpo_script.experiment.shared import Arch, Config
from hpo_script.experiment.training import Training as FoldTraining
from hpo_script.experiment.training import train as train_fold
from hpo_script.families.market.constants import TRAIN_FRACTION, VAL_FRACTION, WALK_FORWARD
from hpo_script.families.market.data import Task as FoldTask


def mean_metrics(folds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: statistics.mean(fold[name] for fold in folds) for name in folds[0]}


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
        return {name: mean_metrics([fold[name] for fold in folds]) for name in folds[0]}


class Training:
    """A training per fold; each advances by an epoch in turn."""

    def __init__(
        self, task: Task, arch: Arch, config: Config, key: tuple[int, int], device: torch.device
    ) -> None:
        self.folds = [FoldTraining(fold, arch, config, key, device) for fold in task.folds]
        self.points: list[dict[str, Any]] = []  # evaluations of this epoch: of the first folds

    @property
    def seconds(self) -> float:
        """Time of training, without evaluations."""
        return sum(fold.seconds for fold in self.folds)

    @property
    def samples(self) -> int:
        """Number of samples trained on."""
        return sum(fold.samples for fold in self.folds)

    @property
    def losses(self) -> Tensor:
        """Sum of the losses of the last fold."""
        return self.folds[-1].losses

    def state(self) -> dict[str, Any]:
        """Return everything that later batches depend on."""
        states = [fold.state() for fold in self.folds]
        batch = max(state["batch"] for state in states)
        return {"folds": states, "points": self.points, "batch": batch}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Load a state."""
        self.points = state["points"]
        for fold, saved in zip(self.folds, state["folds"], strict=True):
            fold.restore(saved)

    def learn(self, batch: Tensor, rate: float, micro_batch: int) -> None:
        """Take as many optimizer steps as there are folds; measures the time of a batch."""
        for _ in self.folds:
            self.folds[-1].learn(batch, rate, micro_batch)


def train(
    training: Training,
    *,
    micro_batch: int,
    after_batch: Callable[[float], None],
    trial_seconds: float | None = None,
) -> Iterator[dict[str, Any]]:
    """Train the folds to the end, or for `trial_seconds`, and yield the mean of each epoch."""
    shares = dict.fromkeys(range(WALK_FORWARD), 0.0)

    def report(fold: int, share: float) -> None:
        shares[fold] = share
        after_batch(statistics.mean(shares.values()))

    folds = [
        train_fold(
            fold,
            micro_batch=micro_batch,
            after_batch=partial(report, number),
            trial_seconds=trial_seconds and trial_seconds / WALK_FORWARD,
        )
        for number, fold in enumerate(training.folds)
    ]
    while True:
        for fold in folds[len(training.points) :]:
            if (point := next(fold, None)) is None:
                return
            training.points.append(point)
        yield mean_metrics(training.points)
        training.points = []
