"""Data: daily rows, labels from the days ahead, contiguous splits by date."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from hpo_script.constants import TASK
from hpo_script.experiment.shared import OTHER_DATA, Arch, Config, UnusableError
from hpo_script.families.market.constants import (
    CONTEXT_LENGTH,
    FEATURE_COLUMNS,
    HORIZON,
    MAX_CONTEXT_LENGTH,
    MIN_CLASS_SAMPLES,
    MIN_VAL_SAMPLES,
    TRAIN_END,
    TRAIN_FRACTION,
    TRAIN_SUBSET,
    VAL_END,
    VAL_FRACTION,
)
from hpo_script.families.market.default_csv import read_prices
from hpo_script.families.market.inputs_scale_free import (
    Model,
    input_features,
    input_scale,
    scaled_inputs,
)
from hpo_script.families.market.labels_threshold import make_labels
from hpo_script.families.market.logistic import fit_logistic
from hpo_script.families.market.losses import LOSSES
from hpo_script.families.market.metrics import label_metrics, log_loss
from hpo_script.families.market.start_linear import StartedModel
from hpo_script.families.market.start_threshold import ONE_FEATURE, start_features


class Task:
    """Prediction of a binary label of each day from the days up to it."""

    unit = "epoch"

    def __init__(
        self, data_path: str, data_sha256: str | None, train_fraction: float = TRAIN_FRACTION
    ) -> None:
        self.data_path, self.data_sha256 = data_path, data_sha256
        self.train_fraction = train_fraction

    def load(self, device: torch.device) -> None:
        """Read the file; move the windows and labels of training and validation to the device."""
        frame, self.digest = read_prices(Path(self.data_path))
        if self.data_sha256 not in (None, self.digest):
            raise UnusableError(OTHER_DATA.format(self.data_path, self.digest))
        n_train = round(len(frame) * self.train_fraction)
        n_seen = round(len(frame) * (self.train_fraction + VAL_FRACTION))
        if TRAIN_END and VAL_END:  # dates may have a time of day
            n_train, n_seen = (sum(frame["Date"].dt.floor("D") <= d) for d in (TRAIN_END, VAL_END))
        self.frame = frame = frame.iloc[:n_seen]  # without the test split
        days = np.arange(MAX_CONTEXT_LENGTH - 1, n_train - HORIZON)
        kept = np.linspace(0, len(days) - 1, round(len(days) * TRAIN_SUBSET)).astype(np.int64)
        labels = make_labels(frame, task=TASK, horizon=HORIZON)
        self.labels = torch.tensor(labels, dtype=torch.float32, device=device)
        self.train_days = torch.tensor(days[kept], device=device)
        self.val_days = torch.arange(n_train, n_seen - HORIZON, device=device)
        for split, index in (("training", self.train_days), ("validation", self.val_days)):
            n, n_positive = len(index), int(self.labels[index].sum())
            if n < MIN_VAL_SAMPLES or min(n_positive, n - n_positive) < MIN_CLASS_SAMPLES:
                raise UnusableError(
                    f"{self.data_path}: {n} {split} samples, {n_positive} of them positive, below"
                    f" {MIN_VAL_SAMPLES=} or {MIN_CLASS_SAMPLES=}; use more rows or another task"
                )
        self.train_rate = float(labels[days[kept]].mean())
        start = start_features(frame)[days]
        self.start_scale = np.stack([start.mean(0), start.std(0) + 1e-12])
        self.input_scale = input_scale(input_features(frame, FEATURE_COLUMNS)[:n_train])
        self.start, self.windows = self.inputs_of(frame, device)
        self.start_weights = self.fit_start(self.start)

    def inputs_of(self, frame: pd.DataFrame, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return the start features (rows, features), and a window per day that has one."""
        start = (start_features(frame) - self.start_scale[0]) / self.start_scale[1]
        inputs = scaled_inputs(input_features(frame, FEATURE_COLUMNS), self.input_scale)
        self.n_inputs = inputs.shape[1]
        table = torch.tensor(np.hstack([inputs, start]), dtype=torch.float32, device=device)
        windows = table.unfold(0, CONTEXT_LENGTH, 1)  # (rows, channels, days), a view
        return torch.tensor(start, dtype=torch.float64), windows

    def fit_start(self, features: Tensor) -> Tensor:
        """Return the weights of a logistic regression on features of the training days."""
        days = self.train_days.cpu()
        return fit_logistic(features[days], self.labels.cpu()[days])

    def limit_for_smoke(self) -> dict[str, int]:
        """Keep 300 training days; return the parameters of a short training."""
        self.train_days = self.train_days[-300:]
        self.start_weights = self.fit_start(self.start)
        return {"epochs": 2}

    def describe(self) -> dict[str, Any]:
        """Return digest, dates, sizes and label rates."""
        about: dict[str, Any] = {"data": self.data_path, "data_sha256": self.digest}
        for split, days in (("train", self.train_days), ("val", self.val_days)):
            first, last = (self.frame["Date"][int(days[end])].date() for end in (0, -1))
            about[f"{split}_days"] = f"{first} to {last}"
            about[f"{split}_samples"] = len(days)
            about[f"{split}_rate"] = float(self.labels[days].double().mean())
        return about

    def baselines(self) -> dict[str, dict[str, float]]:
        """Return the baselines: the training rate, and logistic regressions on start features."""
        days = self.val_days.cpu()
        labels = self.labels.cpu()[days]
        baselines = {"class prior": {"val_loss": log_loss(self.train_rate, labels)}}
        for name, features in ((ONE_FEATURE, self.start[:, :1]), ("linear start", self.start)):
            weights = self.fit_start(features)
            metrics = label_metrics(features[days] @ weights[:-1] + weights[-1], labels)
            baselines[name] = {metric: metrics[metric] for metric in ("val_loss", "auc")}
        return baselines

    def build_model(self, arch: Arch, dropout: float) -> nn.Module:
        windows = self.training_batch(self.train_days)[0][:, :, : self.n_inputs]
        return StartedModel(Model(arch, dropout, windows), self.start_weights)

    def sample(self, n: int, device: torch.device) -> Tensor:
        """Return n windows of zeros, for the measurement of memory."""
        return torch.zeros(n, CONTEXT_LENGTH, self.windows.shape[1], device=device)

    def intervals(self, config: Config) -> Iterator[tuple[int, int]]:
        """Yield each epoch from 1, and its number of batches."""
        n_batches = math.ceil(len(self.train_days) / config["batch_size"])
        return ((epoch + 1, n_batches) for epoch in range(config["epochs"]))

    def training_length(self, config: Config) -> dict[str, int]:
        return {"epochs": config["epochs"]}

    def batches(self, config: Config, _n_batches: int, seed: int) -> list[Tensor]:
        """Return the days of an epoch in random order, cut into batches; the last is smaller."""
        days, generator = self.train_days, torch.Generator().manual_seed(seed)
        order = torch.randperm(len(days), generator=generator)
        return list(days[order.to(days.device)].split(config["batch_size"]))

    def training_batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return the windows that end on days, (days, context, channels), and their labels."""
        return self.windows[indices - CONTEXT_LENGTH + 1].transpose(1, 2), self.labels[indices]

    def loss(self, outputs: Tensor, targets: Tensor, config: Config) -> Tensor:
        label_loss = LOSSES[config["loss"]]
        return label_loss(outputs.float(), targets, train_rate=self.train_rate, config=config)

    def evaluate(self, model: nn.Module, micro_batch: int) -> dict[str, float]:
        """Return the metrics on the validation days, from a model in evaluation mode."""
        batches = map(self.training_batch, self.val_days.split(micro_batch))
        logits = torch.cat([model(windows) for windows, _ in batches])
        targets = self.labels[self.val_days]
        prior_loss = log_loss(self.train_rate, targets.cpu())
        return {**label_metrics(logits.float(), targets), "prior_loss": prior_loss}
