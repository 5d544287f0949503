"""Task: the methods that training and search need from a family.

A script does not hold this protocol; its `Task` is the class of its family.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from hpo_script.experiment.shared import Arch, Config


class Task(Protocol):
    """Data, model, loss and metrics of one task."""

    unit: str  # of evaluations: epoch or step

    def __init__(self, data_path: str, data_sha256: str | None) -> None:
        """Store the path of the data and the expected digest; None: not checked."""

    def load(self, device: torch.device) -> None:
        """Read and check the data, and move them to the device. Raises UnusableError."""

    def limit_for_smoke(self) -> dict[str, int]:
        """Reduce the data for --smoke; return the parameters of a short training."""

    def describe(self) -> dict[str, Any]:
        """Return path, digest and sizes of the data."""

    def baselines(self) -> dict[str, dict[str, float]]:
        """Return {baseline: its metrics}, for comparison with trials."""

    def build_model(self, arch: Arch, dropout: float) -> nn.Module:
        """Return an untrained model."""

    def sample(self, n: int, device: torch.device) -> Tensor:
        """Return inputs of n samples with any values, for the measurement of memory."""

    def intervals(self, config: Config) -> Iterator[tuple[int, int]]:
        """Yield each interval between evaluations: the epoch or step at its end, its batches."""

    def training_length(self, config: Config) -> dict[str, int]:
        """Return the length of a training in epochs and in other units of the task."""

    def batches(self, config: Config, n_batches: int, seed: int, /) -> list[Tensor]:
        """Return the sample indices of each batch of an interval."""

    def training_batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs and targets of training samples."""

    def loss(self, outputs: Tensor, targets: Tensor, config: Config, /) -> Tensor:
        """Return the mean training loss."""

    def evaluate(self, model: nn.Module, micro_batch: int) -> dict[str, float]:
        """Return the metrics on the validation data, from a model in evaluation mode."""
