"""Data: daily rows, labels from the days ahead, contiguous splits by date.

The rows of the test split are dropped on reading: this script cannot use a test label. The days of
a label never cross a boundary, and which days have labels depends on MAX_CONTEXT_LENGTH only.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from hpo_script.constants import TASK
from hpo_script.experiment.shared import Arch, Config, EvalInterval, UnusableError, check_digest
from hpo_script.market.constants import (
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
from hpo_script.market.inputs_scale_free import Model, input_features
from hpo_script.market.labels_threshold import make_labels
from hpo_script.market.losses import LOSSES
from hpo_script.market.metrics import auc, label_metrics, log_loss

PRICES = ("Open", "High", "Low", "Close")


def read_prices(path: Path) -> tuple[pd.DataFrame, str]:
    """Return Date, prices and feature columns of a CSV or Parquet file, and its SHA-256.

    Raises UnusableError with the row (of the file, the header is row 1) and column at fault.
    """
    content, wanted = path.read_bytes(), list(dict.fromkeys((*PRICES, *FEATURE_COLUMNS)))
    try:
        if path.suffix == ".parquet":
            cells = pd.read_parquet(io.BytesIO(content)).reset_index().astype(str)
        else:
            cells = pd.read_csv(io.BytesIO(content), dtype=str, encoding="utf-8-sig")
    except (ValueError, OSError) as error:  # errors of pandas and pyarrow are ValueErrors
        raise UnusableError(f"{path}: not a table: {ascii(str(error))[1:200]}") from None
    if missing := [name for name in ("Date", *wanted) if name not in cells]:
        raise UnusableError(f"{path}: no column {', '.join(missing)}")
    dates = pd.to_datetime(cells["Date"], errors="coerce", format="ISO8601", utc=True)
    columns = {name: pd.to_numeric(cells[name], errors="coerce") for name in wanted}
    faults = [
        ("Date", dates.isna(), "is not a date such as 1999-01-04"),
        ("Date", dates.diff() <= pd.Timedelta(0), "is not after the row before"),
        *((n, ~(v.abs() < np.inf), "is not a finite number") for n, v in columns.items()),
        *((name, columns[name] <= 0, "is not above 0") for name in PRICES),
        ("High", columns["High"] < columns["Low"], "is below Low"),
    ]
    for name, wrong, fault in faults:
        if wrong.any():
            row = int(wrong.argmax())
            cell = str(cells[name].iloc[row])[:60]
            raise UnusableError(f"{path}: row {row + 2}: {name} {cell!r} {fault}")
    frame = pd.DataFrame({"Date": dates.dt.tz_localize(None), **columns})
    return frame, hashlib.sha256(content).hexdigest()


def split_rows(dates: pd.Series) -> tuple[int, int]:
    """Return the number of rows before validation, and before test."""
    if TRAIN_END and VAL_END:
        return int((dates <= TRAIN_END).sum()), int((dates <= VAL_END).sum())
    seen = TRAIN_FRACTION + VAL_FRACTION
    return round(len(dates) * TRAIN_FRACTION), round(len(dates) * seen)


class Task:
    """A yes-or-no label of each day, predicted from the days up to it."""

    unit = "epoch"

    def __init__(self, data_path: str, data_sha256: str | None) -> None:
        self.data_path, self.data_sha256 = data_path, data_sha256

    def load(self, device: torch.device) -> None:
        """Read the file; keep windows and labels of training and validation on the device."""
        frame, self.digest = read_prices(Path(self.data_path))
        check_digest(self.data_path, self.digest, self.data_sha256)
        n_train, n_seen = split_rows(frame["Date"])
        frame = frame.iloc[:n_seen]  # from here on there is no test split
        days = np.arange(MAX_CONTEXT_LENGTH - 1, n_train - HORIZON)
        kept = np.linspace(0, len(days) - 1, round(len(days) * TRAIN_SUBSET)).astype(np.int64)
        labels = make_labels(frame, task=TASK, horizon=HORIZON)
        self.labels = torch.tensor(labels, dtype=torch.float32, device=device)
        self.train_days = torch.tensor(days[kept], device=device)
        self.val_days = torch.arange(n_train, n_seen - HORIZON, device=device)
        self.check_sizes()
        self.train_rate = float(labels[days[kept]].mean())
        features = input_features(frame, FEATURE_COLUMNS, n_train)
        table = torch.tensor(features, dtype=torch.float32, device=device)
        self.windows = table.unfold(0, CONTEXT_LENGTH, 1)  # (rows, channels, days), a view
        daily_range = (frame["High"] / frame["Low"]).map(np.log).ewm(span=10).mean()
        self.dates, self.daily_range = frame["Date"], torch.tensor(daily_range.to_numpy())

    def check_sizes(self) -> None:
        """Refuse splits that cannot tell one configuration from another."""
        for split, days in (("training", self.train_days), ("validation", self.val_days)):
            n_positive = int(self.labels[days].sum())
            fewest = min(n_positive, len(days) - n_positive)
            if len(days) < MIN_VAL_SAMPLES or fewest < MIN_CLASS_SAMPLES:
                raise UnusableError(
                    f"{self.data_path}: {len(days)} {split} samples with {n_positive} positives;"
                    f" at least {MIN_VAL_SAMPLES} samples and {MIN_CLASS_SAMPLES} of each class"
                    " are needed. Use more rows or other splits."
                )

    def limit_for_smoke(self) -> dict[str, int]:
        """Keep 300 training days; return the parameters of a short training."""
        self.train_days = self.train_days[-300:]
        return {"epochs": 2}

    def describe(self) -> dict[str, Any]:
        """Return digest, dates, sizes and label rates."""
        about: dict[str, Any] = {"data": self.data_path, "data_sha256": self.digest}
        for split, days in (("train", self.train_days), ("val", self.val_days)):
            first, last = (self.dates[int(days[end])].date() for end in (0, -1))
            about[f"{split}_days"] = f"{first} to {last}"
            about[f"{split}_samples"] = len(days)
            about[f"{split}_rate"] = float(self.labels[days].mean())
        return about

    def baselines(self) -> dict[str, dict[str, float]]:
        """Return the baselines: the training rate as prediction, and one untrained feature."""
        labels = self.labels[self.val_days].cpu()
        return {
            "class prior": {"val_loss": log_loss(self.train_rate, labels)},
            "daily range": {"auc": auc(self.daily_range[self.val_days.cpu()], labels)},
        }

    def build_model(self, arch: Arch, dropout: float) -> nn.Module:
        """Return an untrained model."""
        return Model(arch, dropout, self.window(self.train_days))

    def sample(self, n: int, device: torch.device) -> Tensor:
        """Return n windows, for measuring memory."""
        return torch.zeros(n, CONTEXT_LENGTH, self.windows.shape[1], device=device)

    def intervals(self, config: Config) -> Iterator[EvalInterval]:
        """Yield one interval per epoch."""
        n_batches = math.ceil(len(self.train_days) / config["batch_size"])
        return (EvalInterval(epoch + 1, n_batches) for epoch in range(config["epochs"]))

    def training_length(self, config: Config) -> dict[str, int]:
        """Return how much is trained."""
        return {"epochs": config["epochs"]}

    def batches(self, config: Config, interval: EvalInterval, seed: int) -> list[Tensor]:
        """Return the days of an epoch in random order, cut into batches; the last is smaller."""
        del interval
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.train_days), generator=generator)
        return list(self.train_days[order.to(self.train_days.device)].split(config["batch_size"]))

    def window(self, days: Tensor) -> Tensor:
        """Return the contexts that end on some days, (days, context, channels)."""
        return self.windows[days - CONTEXT_LENGTH + 1].transpose(1, 2)

    def training_batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return windows and labels."""
        return self.window(indices), self.labels[indices]

    def loss(self, outputs: Tensor, targets: Tensor, config: Config) -> Tensor:
        """Return the mean training loss."""
        label_loss = LOSSES[config["loss"]]
        return label_loss(outputs.float(), targets, train_rate=self.train_rate, config=config)

    def evaluate(self, model: nn.Module, micro_batch: int) -> dict[str, float]:
        """Return the metrics on the validation days, from a model in evaluation mode."""
        logits = [model(self.window(days)) for days in self.val_days.split(micro_batch)]
        targets = self.labels[self.val_days]
        metrics = label_metrics(torch.cat(logits).float(), targets)
        return {**metrics, "prior_loss": log_loss(self.train_rate, targets.cpu())}
