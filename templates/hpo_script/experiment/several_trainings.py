"""Several trainings per trial: each advances by an interval in turn, then they are evaluated."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from hpo_script.experiment.seeds import combined, members
from hpo_script.experiment.shared import Arch, Config
from hpo_script.experiment.task import Task
from hpo_script.experiment.training import Training as OneTraining
from hpo_script.experiment.training import train as train_one


class Training:
    """The trainings of a trial, which are saved and continued as one."""

    def __init__(
        self, task: Task, arch: Arch, config: Config, key: tuple[int, int], device: torch.device
    ) -> None:
        self.members = [
            OneTraining(own_task, arch, config, own_key, device)
            for own_task, own_key in members(task, key)
        ]
        self.points: list[dict[str, Any]] = []  # evaluations of this interval: of the first ones

    @property
    def seconds(self) -> float:
        """Time of training, without evaluations."""
        return sum(member.seconds for member in self.members)

    @property
    def samples(self) -> int:
        """Number of samples trained on."""
        return sum(member.samples for member in self.members)

    @property
    def losses(self) -> Tensor:
        """Sum of the losses of the last training."""
        return self.members[-1].losses

    def state(self) -> dict[str, Any]:
        """Return everything that later batches depend on."""
        states = [member.state() for member in self.members]
        batch = max(state["batch"] for state in states)
        return {"members": states, "points": self.points, "batch": batch}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Load a state."""
        self.points = state["points"]
        for member, saved in zip(self.members, state["members"], strict=True):
            member.restore(saved)

    def learn(self, batch: Tensor, rate: float, micro_batch: int) -> None:
        """Take an optimizer step of each training; measures the time of a batch."""
        for _ in self.members:
            self.members[-1].learn(batch, rate, micro_batch)


def train(
    training: Training,
    *,
    micro_batch: int,
    after_batch: Callable[[float], None],
    trial_seconds: float | None = None,
) -> Iterator[dict[str, Any]]:
    """Train to the end, or for `trial_seconds` in all, and yield the combined evaluations."""
    n_members = len(training.members)
    shares = dict.fromkeys(range(n_members), 0.0)

    def report(number: int, share: float) -> None:
        shares[number] = share
        after_batch(statistics.mean(shares.values()))

    runs = [
        train_one(
            member,
            micro_batch=micro_batch,
            after_batch=partial(report, number),
            trial_seconds=trial_seconds and trial_seconds / n_members,
        )
        for number, member in enumerate(training.members)
    ]
    while True:
        for run in runs[len(training.points) :]:
            if (point := next(run, None)) is None:
                return
            training.points.append(point)
        flags = [name for name, value in training.points[0].items() if isinstance(value, bool)]
        most = {n: statistics.median_low(p[n] for p in training.points) for n in flags}
        yield {**combined(training.points), **most}
        training.points = []
