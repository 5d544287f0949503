"""Final task: the methods that a final script needs from a family, besides those of the search.

A script does not hold this protocol; its `FinalTask` is the class of its family.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from hpo_script.experiment.shared import Arch
from hpo_script.experiment.task import Task


class FinalTask(Task, Protocol):
    """A task with a test split, which `open_test` alone reads."""

    signs: Mapping[str, int]  # {measure: 1 where higher is better, else -1}
    deciding: str  # the measure of the verdict
    groups: np.ndarray | None  # of each test sample; a resample keeps or drops a group whole

    def train_on(self, validation: bool) -> None:
        """Train on the training split from now on, or on that of validation as well."""

    def open_test(self) -> None:
        """Read the test split. Raises UnusableError."""

    def too_few(self) -> bool:
        """Return whether the test split is too small for a verdict."""

    def measures(self, scores: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Return the measures on the test split, per resample; see `compare`."""

    def decide(self, model: nn.Module, size: int) -> dict[str, float]:
        """Return what is chosen on validation for a model; it goes into the metadata."""

    def test_scores(self, model: nn.Module, about: Mapping[str, Any], size: int) -> np.ndarray:
        """Return a score per sample of the test split."""

    def baseline_scores(self, both: bool) -> tuple[dict[str, np.ndarray], str]:
        """Return the scores of each baseline on the test split, and the best on validation.

        `both`: they are fitted on training and validation split.
        """

    def collapsed(self, scores: np.ndarray, about: Mapping[str, Any]) -> bool:
        """Return whether the predictions hardly differ."""

    def more(self, scores: np.ndarray, about: Mapping[str, Any]) -> dict[str, float]:
        """Return other results of a training on the test split."""

    def table(self, scores: np.ndarray) -> list[dict[str, float]]:
        """Return a table about the chosen training, for the report."""

    def test_rows(self, by_fit: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """Return a row per sample of the test split, with the predictions of each training."""

    def statistics(self) -> dict[str, Any]:
        """Return what the inputs of other data depend on, for the metadata."""

    def restore(self, statistics: Mapping[str, Any]) -> None:
        """Take the statistics of the metadata."""

    def empty_model(self, arch: Arch) -> nn.Module:
        """Return a model for weights to be loaded into."""

    def example(self) -> Tensor:
        """Return an input of the model, for an export."""

    def predict(
        self, path: Path, model: nn.Module, about: Mapping[str, Any], device: torch.device
    ) -> pd.DataFrame:
        """Return predictions for the rows of a file. Raises UnusableError."""
