"""Final task: the test texts, read once after all training, and the texts of other files.

A score is the log-probability of each label, with a temperature that is fitted on validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from hpo_script.constants import METRIC
from hpo_script.experiment.shared import Arch, UnusableError
from hpo_script.families.text.constants import (
    CONTEXT_LENGTH,
    GROUP_COLUMN,
    LABELS,
    TEXT_COLUMN,
)
from hpo_script.families.text.data import Task
from hpo_script.families.text.examples import read_cells, read_rows
from hpo_script.families.text.final_measures import (
    DECIDING,
    SIGNS,
    best_temperature,
    label_measures,
    log_probabilities,
)
from hpo_script.families.text.metrics import class_metrics
from hpo_script.families.text.model import TextClassifier

MIN_TEST_TEXTS = 100


class FinalTask(Task):
    """The task of the search, with the test texts."""

    hidden = ()
    signs: Mapping[str, int] = SIGNS
    deciding = DECIDING[METRIC]
    groups: np.ndarray | None = None

    def load(self, device: torch.device) -> None:
        """Read training and validation texts."""
        super().load(device)
        self.only_training = self.train

    def train_on(self, validation: bool) -> None:
        """Train on the training texts, or on those of validation as well."""
        parts = [self.only_training, self.val] if validation else [self.only_training]
        self.train = torch.cat(parts)

    def open_test(self) -> None:
        """Read the test texts, which nothing else reads. Raises UnusableError."""
        known = self.digest
        test = self.read_splits()[2]
        if self.digest != known:
            raise UnusableError(f"{self.data_path} changed during this run")
        self.test_texts = [one.text for one in test]
        self.test_labels = np.array([LABELS.index(one.label) for one in test])
        if GROUP_COLUMN:
            self.groups = np.array([one.group for one in test])

    def too_few(self) -> bool:
        """Return whether there are too few test texts, or those of one label alone."""
        return len(self.test_labels) < MIN_TEST_TEXTS or len({*self.test_labels.tolist()}) < 2

    def measures(self, scores: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Return the measures on the test texts, per resample."""
        return label_measures(scores, self.test_labels, counts)

    def logits(self, model: nn.Module, tokens: Tensor, size: int) -> Tensor:
        """Return the logits of texts, from a model in evaluation mode."""
        device = next(model.parameters()).device
        with torch.inference_mode():
            parts = [model(part.long().to(device)).float().cpu() for part in tokens.split(size)]
        return torch.cat(parts)

    def decide(self, model: nn.Module, size: int) -> dict[str, float]:
        """Return the temperature, from validation texts."""
        logits = self.logits(model, self.tokens[self.val], size)
        return {"temperature": best_temperature(logits, self.labels[self.val].cpu())}

    def test_scores(self, model: nn.Module, about: Mapping[str, Any], size: int) -> np.ndarray:
        """Return the scores of the test texts."""
        logits = self.logits(model, self.encode(self.test_texts), size)
        return log_probabilities(logits, about["temperature"])

    def baseline_scores(self, both: bool) -> tuple[dict[str, np.ndarray], str]:
        """Return the scores of each baseline on the test texts, and the best on validation."""
        self.train_on(validation=False)
        val = self.val.tolist()
        on_validation = self.baseline_logits([self.texts[row] for row in val])
        targets = self.labels[self.val].cpu()
        self.train_on(validation=both)
        on_test = self.baseline_logits(self.test_texts)
        found, reached = {}, {}
        for name, logits in on_validation.items():
            temperature = best_temperature(logits, targets)
            found[name] = log_probabilities(on_test[name], temperature)
            scores, whole = log_probabilities(logits, temperature), np.ones((1, len(val)))
            known = label_measures(scores, targets.numpy(), whole)[self.deciding]
            reached[name] = self.signs[self.deciding] * float(known[0])
        return found, max(reached, key=lambda name: reached[name])

    def collapsed(self, scores: np.ndarray, about: Mapping[str, Any]) -> bool:
        """Return whether every text gets the same label."""
        del about
        return len({*scores.argmax(1).tolist()}) == 1

    def more(self, scores: np.ndarray, about: Mapping[str, Any]) -> dict[str, float]:
        """Return calibration and the lowest recall of a label on the test texts."""
        found = class_metrics(torch.tensor(scores), torch.tensor(self.test_labels))
        recall = found["lowest_recall"]
        return {"ECE": found["ece"], "lowest recall": recall, "temperature": about["temperature"]}

    def table(self, scores: np.ndarray) -> list[dict[str, float]]:
        """Return no table."""
        del scores
        return []

    def test_rows(self, by_fit: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """Return the test texts with the label that each training gives them."""
        table = pd.DataFrame({"text": self.test_texts})
        labels = np.array(LABELS)
        table["label"] = labels[self.test_labels]
        return table.assign(**{name: labels[by_fit[name].argmax(1)] for name in by_fit})

    def statistics(self) -> dict[str, Any]:
        """Return the names of the labels, in the order of the outputs, and the context."""
        return {"labels": LABELS, "context_length": CONTEXT_LENGTH}

    def restore(self, statistics: Mapping[str, Any]) -> None:
        """Take nothing from a file of weights: the labels are constants of this script."""

    def empty_model(self, arch: Arch) -> nn.Module:
        """Return a model for weights to be loaded into."""
        return TextClassifier(arch, 0.0)

    def example(self) -> Tensor:
        """Return an input of the model, for an export."""
        return torch.zeros(1, CONTEXT_LENGTH, dtype=torch.long)

    def predict(
        self, path: Path, model: nn.Module, about: Mapping[str, Any], device: torch.device
    ) -> pd.DataFrame:
        """Return the likeliest label of each text of a file. Raises UnusableError."""
        del device
        try:
            rows = read_rows(path, path.read_bytes())
            texts = [row["text"] for row in read_cells(rows, {"text": TEXT_COLUMN}, ["text"])]
        except ValueError as error:
            raise UnusableError(f"{path}: {error}") from None
        if not texts:
            raise UnusableError(f"{path}: no rows")
        logits = self.logits(model, self.encode(texts), 64)
        scores = log_probabilities(logits, about["temperature"])
        labels = np.array(LABELS)[scores.argmax(1)]
        numbers = np.arange(1, len(texts) + 1)
        return pd.DataFrame(
            {"row": numbers, "label": labels, "probability": np.exp(scores.max(1))}
        )
