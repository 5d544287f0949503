"""Final task: the test split, read once after all training, and the rows of other files.

A score is a logit, divided by a temperature that is fitted on validation days.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from hpo_script.constants import METRIC, TASK
from hpo_script.experiment.shared import Arch, UnusableError
from hpo_script.families.market.constants import (
    CONTEXT_LENGTH,
    FEATURE_COLUMNS,
    HORIZON,
    MIN_CLASS_SAMPLES,
    MIN_VAL_SAMPLES,
)
from hpo_script.families.market.data import Task
from hpo_script.families.market.default_csv import read_prices
from hpo_script.families.market.final_measures import (
    DECIDING,
    SIGNS,
    best_threshold,
    boosted_logits,
    fit_temperature,
    label_measures,
    precision_recall,
    reliability,
    sigmoid,
)
from hpo_script.families.market.inputs_scale_free import Model
from hpo_script.families.market.labels_threshold import make_labels
from hpo_script.families.market.metrics import calibration_error
from hpo_script.families.market.start_linear import StartedModel
from hpo_script.families.market.start_threshold import ONE_FEATURE


class Days(NamedTuple):
    """Days of a split, with what the model and the baselines get; rows are those of the file."""

    days: Tensor
    labels: np.ndarray
    start: Tensor
    windows: Tensor


class FinalTask(Task):
    """The task of the search, with the test split."""

    signs = SIGNS
    deciding = DECIDING[METRIC]
    groups = None

    def load(self, device: torch.device) -> None:
        """Read training and validation days."""
        super().load(device)
        self.only_training, self.device = self.train_days, device
        labels = self.labels[self.val_days].double().cpu().numpy()
        self.validation = Days(self.val_days, labels, self.start, self.windows)

    def train_on(self, validation: bool) -> None:
        """Train on the training days, or on those of validation as well."""
        days = [self.only_training, self.val_days] if validation else [self.only_training]
        self.train_days = torch.cat(days)
        self.train_rate = float(self.labels[self.train_days].double().mean())
        self.start_weights = self.fit_start(self.start)

    def open_test(self) -> None:
        """Read the test days, which nothing else reads. Raises UnusableError."""
        frame, digest = read_prices(Path(self.data_path))
        if digest != self.digest:
            raise UnusableError(f"{self.data_path} changed during this run")
        labels = make_labels(frame, task=TASK, horizon=HORIZON)
        days = torch.arange(len(self.frame), len(frame) - HORIZON, device=self.device)
        self.dates = frame["Date"].iloc[days.cpu().numpy()]
        self.test = Days(days, labels[days.cpu()], *self.inputs_of(frame, self.device))

    def too_few(self) -> bool:
        """Return whether the test split has fewer days, or days of a class, than are needed."""
        n, n_positive = len(self.test.labels), int(self.test.labels.sum())
        return n < MIN_VAL_SAMPLES or min(n_positive, n - n_positive) < MIN_CLASS_SAMPLES

    def measures(self, scores: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Return the measures on the test days, per resample."""
        return label_measures(scores, self.test.labels, counts)

    def logits(self, model: nn.Module, days: Tensor, windows: Tensor, size: int) -> np.ndarray:
        """Return the logits of days, from a model in evaluation mode."""
        with torch.inference_mode():
            parts = [
                model(windows[part - CONTEXT_LENGTH + 1].transpose(1, 2))
                for part in days.split(size)
            ]
        return torch.cat(parts).double().cpu().numpy()

    def decide(self, model: nn.Module, size: int) -> dict[str, float]:
        """Return temperature and decision threshold, both from validation days."""
        known = self.validation
        logits = self.logits(model, known.days, known.windows, size)
        temperature = fit_temperature(logits, known.labels)
        threshold = best_threshold(sigmoid(logits / temperature), known.labels)
        return {"temperature": temperature, "threshold": threshold}

    def test_scores(self, model: nn.Module, about: dict[str, Any], size: int) -> np.ndarray:
        """Return the scores of the test days."""
        logits = self.logits(model, self.test.days, self.test.windows, size)
        return logits / about["temperature"]

    def baseline_scores(self, both: bool) -> tuple[dict[str, np.ndarray], str]:
        """Return the scores of each baseline on the test days, and the best on validation."""
        self.train_on(validation=False)
        on_validation = self.baseline_logits(self.validation)
        self.train_on(validation=both)
        on_test = self.baseline_logits(self.test)
        labels, found, reached = self.validation.labels, {}, {}
        for name, logits in on_validation.items():
            temperature = fit_temperature(logits, labels)
            found[name] = on_test[name] / temperature
            known = label_measures(logits / temperature, labels, np.ones((1, len(labels))))
            reached[name] = SIGNS[self.deciding] * float(known[self.deciding][0])
        return found, max(reached, key=lambda name: reached[name])

    def baseline_logits(self, split: Days) -> dict[str, np.ndarray]:
        """Return the logits of each baseline on the days of a split."""
        prior = np.log(self.train_rate / (1 - self.train_rate))
        found = {"class prior": np.full(len(split.labels), prior)}
        for name, n_features in ((ONE_FEATURE, 1), ("linear start", self.start.shape[1])):
            weights = self.fit_start(self.start[:, :n_features])
            known = split.start[split.days.cpu(), :n_features]
            found[name] = (known @ weights[:-1] + weights[-1]).numpy()
        train = self.validation._replace(days=self.train_days)
        labels = self.labels[self.train_days].cpu().numpy()
        boosted = boosted_logits(self.last_day(train), labels, self.last_day(split))
        return found if boosted is None else {**found, "gradient boosting": boosted}

    def last_day(self, split: Days) -> np.ndarray:
        """Return the model's inputs and the start features of each day."""
        rows = split.windows[split.days - CONTEXT_LENGTH + 1][:, : self.n_inputs, -1]
        return torch.cat([rows.double().cpu(), split.start[split.days.cpu()]], 1).numpy()

    def collapsed(self, scores: np.ndarray, about: dict[str, Any]) -> bool:
        """Return whether the predictions hardly differ, or find no positive day."""
        probabilities = sigmoid(scores)
        recall = precision_recall(probabilities >= about["threshold"], self.test.labels)[1]
        return bool(np.ptp(probabilities) < 0.2 or recall == 0.0)

    def more(self, scores: np.ndarray, about: dict[str, Any]) -> dict[str, Any]:
        """Return calibration and decisions on the test days."""
        labels, probabilities = self.test.labels, sigmoid(scores)
        before = sigmoid(scores * about["temperature"])
        precision, recall = precision_recall(probabilities >= about["threshold"], labels)
        return {
            "ECE": calibration_error(torch.tensor(probabilities), torch.tensor(labels)),
            "ECE before calibration": calibration_error(
                torch.tensor(before), torch.tensor(labels)
            ),
            "temperature": about["temperature"],
            "threshold": about["threshold"],
            "precision": precision,
            "recall": recall,
        }

    def table(self, scores: np.ndarray) -> list[dict[str, float]]:
        """Return the reliability table."""
        return reliability(sigmoid(scores), self.test.labels)

    def test_rows(self, by_fit: dict[str, np.ndarray]) -> pd.DataFrame:
        """Return the test days with the probabilities of each training."""
        table = pd.DataFrame({"Date": self.dates.dt.date, "label": self.test.labels.astype(int)})
        return table.assign(**{name: sigmoid(scores) for name, scores in by_fit.items()})

    def statistics(self) -> dict[str, Any]:
        """Return what the inputs of a row depend on, besides the row and those before it."""
        return {
            "columns": FEATURE_COLUMNS,
            "context_length": CONTEXT_LENGTH,
            "input_scale": self.input_scale.tolist(),
            "start_scale": self.start_scale.tolist(),
            "n_inputs": self.n_inputs,
        }

    def restore(self, statistics: dict[str, Any]) -> None:
        """Take the statistics of a file of weights."""
        self.input_scale = np.array(statistics["input_scale"])
        self.start_scale = np.array(statistics["start_scale"])
        self.n_inputs = statistics["n_inputs"]

    def empty_model(self, arch: Arch) -> nn.Module:
        """Return a model for weights to be loaded into."""
        windows = torch.zeros(2, CONTEXT_LENGTH, self.n_inputs)
        n_features = self.start_scale.shape[1]
        return StartedModel(Model(arch, 0.0, windows), torch.zeros(n_features + 1))

    def example(self) -> Tensor:
        """Return an input of the model, for an export."""
        return torch.zeros(1, CONTEXT_LENGTH, self.n_inputs + self.start_scale.shape[1])

    def predict(
        self, path: Path, model: nn.Module, about: dict[str, Any], device: torch.device
    ) -> pd.DataFrame:
        """Return a row per day of a file that has a window: probability and decision."""
        frame, _ = read_prices(path)
        if len(frame) < CONTEXT_LENGTH:
            raise UnusableError(f"{path}: {len(frame)} rows, fewer than CONTEXT_LENGTH")
        _, windows = self.inputs_of(frame, device)
        days = torch.arange(CONTEXT_LENGTH - 1, len(frame), device=device)
        scores = self.logits(model, days, windows, 1024) / about["temperature"]
        table = pd.DataFrame({"Date": frame["Date"].dt.date[CONTEXT_LENGTH - 1 :]})
        probabilities = sigmoid(scores)
        decisions = (probabilities >= about["threshold"]).astype(int)
        return table.assign(probability=probabilities, decision=decisions)
