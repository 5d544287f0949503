"""Task: the methods that training and search need from a family.

Not inlined into a script: there, `Task` is the class of its family.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from hpo_script.experiment.shared import Arch, Config, EvalInterval


class Task(Protocol):
    """Data, model, loss and metrics of one task."""

    unit: str  # of evaluations: epoch or step

    def __init__(self, data_path: str, data_sha256: str | None) -> None:
        """Keep where the data are, and their digest if it is to be checked."""

    def load(self, device: torch.device) -> None:
        """Read and check the data, and put them on the device."""

    def limit_for_smoke(self) -> dict[str, int]:
        """Keep a little of the data, for --smoke; return the parameters of a short training."""

    def describe(self) -> dict[str, Any]:
        """Return path, digest and sizes of the data."""

    def baselines(self) -> dict[str, dict[str, float]]:
        """Return the metrics of each baseline that a trial has to beat."""

    def build_model(self, arch: Arch, dropout: float) -> nn.Module:
        """Return an untrained model."""

    def sample(self, n: int, device: torch.device) -> Tensor:
        """Return inputs of n samples, for measuring memory; their values do not matter."""

    def intervals(self, config: Config) -> Iterator[EvalInterval]:
        """Yield the whole schedule of a training."""

    def training_length(self, config: Config) -> dict[str, int]:
        """Return how much is trained: epochs, and what else the task counts."""

    def batches(self, config: Config, interval: EvalInterval, seed: int, /) -> list[Tensor]:
        """Return the sample indices of each batch of an interval."""

    def training_batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs and targets of training samples."""

    def loss(self, outputs: Tensor, targets: Tensor, config: Config, /) -> Tensor:
        """Return the mean training loss."""

    def evaluate(self, model: nn.Module, micro_batch: int) -> dict[str, float]:
        """Return the metrics on the validation data, from a model in evaluation mode."""
