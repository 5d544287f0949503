"""Task: what training and search need to know of data and model.

No part of a script: there, `Task` is the class of its family, which has these methods.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from hpo_script.experiment import Arch, Config, Round


class Task(Protocol):
    """Data, model, loss and metrics of one task."""

    unit: str

    def load(self, device: torch.device) -> None:
        """Read and check the data, and put it on the device."""

    def shrink(self) -> dict[str, int]:
        """Keep a little of the data, for --smoke; return the parameters of a short training."""

    def settings(self) -> dict[str, Any]:
        """Return the constants that trials must share to be compared; not where the data are."""

    def describe(self) -> dict[str, Any]:
        """Return what the data is: path, digest, sizes, baselines."""

    def build_model(self, arch: Arch, dropout: float) -> nn.Module:
        """Return an untrained model."""

    def sample(self, n: int, device: torch.device) -> Tensor:
        """Return inputs of n samples, for measuring memory; their values do not matter."""

    def rounds(self, config: Config) -> list[Round]:
        """Return the whole schedule of a training."""

    def amounts(self, config: Config) -> dict[str, int]:
        """Return how much is trained: epochs, and what else the task counts."""

    def batches(self, config: Config, index: int, seed: int) -> list[Tensor]:
        """Return the sample indices of each batch of round `index`."""

    def training_batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs and targets of training samples."""

    def loss(self, outputs: Tensor, targets: Tensor, config: Config) -> Tensor:
        """Return the mean training loss."""

    def evaluate(self, model: nn.Module, micro_batch: int) -> dict[str, float]:
        """Return the metrics on the validation data, from a model in evaluation mode."""
