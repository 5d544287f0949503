"""Data: daily rows, labels from the days ahead, contiguous splits by date.

The rows of the test split are dropped before anything is computed: this script cannot read a
test label. A label's days never cross a boundary, and which days carry labels does not depend on
the context length, only on MAX_CONTEXT_LENGTH.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hpo_script.experiment import Arch, Config, Round, UnusableError, check_digest
from hpo_script.label_metrics import auc, label_metrics, log_loss
from hpo_script.patchtst.inputs_scale_free import input_features
from hpo_script.patchtst.labels_threshold import make_labels
from hpo_script.patchtst.model import PatchTST

PRICES = ("Open", "High", "Low", "Close")
ISO_DATE = r"(\d{4}-\d\d-\d\d|\d{8})([ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?"  # no zone


def read_table(path: Path, content: bytes) -> pd.DataFrame:
    """Return a CSV or Parquet file as text, its rows numbered as they are in the file."""
    if path.suffix == ".parquet":
        frame = pd.read_parquet(io.BytesIO(content))
        frame = frame.reset_index(drop=frame.index.name is None)
        return frame.astype(str).set_axis(range(1, len(frame) + 1))
    lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
    header = next(lines, [])
    rows = [(lines.line_num, row) for row in lines if row]
    for number, row in rows:
        if len(row) != len(header):
            raise ValueError(f"row {number}: {len(row)} fields, the header has {len(header)}")
    return pd.DataFrame([row for _, row in rows], [number for number, _ in rows], header, str)


def span(dates: pd.Series[pd.Timestamp]) -> str:
    """Return the first and last of some dates."""
    return f"{dates.iloc[0]:%Y-%m-%d} to {dates.iloc[-1]:%Y-%m-%d}"


def refuse(path: Path, cells: pd.Series[str], wrong: pd.Series[bool], what: str) -> None:
    """Raise UnusableError with the first cell that is wrong, if there is one."""
    if wrong.any():
        at = int(wrong.argmax())
        row, value = cells.index[at], str(cells.iloc[at])[:60]
        raise UnusableError(f"{path}: row {row}: {cells.name} is {value!r}, {what}")


def read_prices(path: Path, feature_columns: Sequence[str]) -> tuple[pd.DataFrame, str]:
    """Return the checked Date, prices and feature columns of a CSV or Parquet file, its digest."""
    if not path.is_file():
        raise UnusableError(
            f"{path}: no such file. Give a CSV with Date, Open, High, Low, Close and the feature"
            " columns by --data; `hpogen demo-data sp500` writes one with real prices."
        )
    content = path.read_bytes()
    try:
        frame = read_table(path, content)
    except (ValueError, OSError, csv.Error) as error:  # pandas' and pyarrow's own are among these
        raise UnusableError(f"{path}: not a table: {ascii(str(error))[1:200]}") from None
    names = list(map(str, frame.columns))
    missing = [name for name in ("Date", *PRICES, *feature_columns) if name not in names]
    twice = [name for name in names if not name.strip() or names.count(name) > 1]
    if missing:
        raise UnusableError(f"{path}: no column {', '.join(missing)}; it has {str(names)[:200]}")
    if twice or frame.empty:
        what = f"columns without a name, or given twice: {twice}"[:200] if twice else "no rows"
        raise UnusableError(f"{path}: {what}")
    columns = {}
    for name in dict.fromkeys((*PRICES, *feature_columns)):
        values = pd.to_numeric(frame[name], errors="coerce").astype(np.float64)
        refuse(path, frame[name], ~(values.abs() < np.inf), "not a finite number")
        refuse(path, frame[name], (values <= 0) & (name in PRICES), "not above 0")
        columns[name] = values
    refuse(path, frame["High"], columns["High"] < columns["Low"], "below Low")
    text, known = frame["Date"], frame["Date"].str.fullmatch(ISO_DATE)
    dates = pd.to_datetime(text.where(known), errors="coerce", format="ISO8601")
    refuse(path, text, dates.isna(), "not a date such as 1999-01-04, without a zone")
    refuse(path, text, dates.diff() < pd.Timedelta(0), "earlier than the row before")
    refuse(path, text, dates.duplicated(), "the date of the row before")
    frame = pd.DataFrame({"Date": dates, **columns}).reset_index(drop=True)
    return frame, hashlib.sha256(content).hexdigest()


@dataclass
class Task:
    """A yes-or-no label of each day, predicted from the days up to it."""

    unit: ClassVar[str] = "epoch"
    losses: Mapping[str, Callable[..., Tensor]]
    data_path: str
    data_sha256: str | None
    data_range: Sequence[str] | None
    feature_columns: Sequence[str]
    task: str
    horizon: int
    train_fraction: float
    val_fraction: float
    train_subset: float
    train_end: str | None
    val_end: str | None
    min_val_samples: int
    min_class_samples: int
    context_length: int
    max_context_length: int
    patch_length: int
    stride: int

    def load(self, device: torch.device) -> None:
        """Read the file; keep windows of training and validation on the device."""
        frame, self.digest = read_prices(Path(self.data_path), self.feature_columns)
        about = span(frame["Date"])
        wanted = f"; expected {' to '.join(self.data_range)}" if self.data_range else ""
        check_digest(self.data_path, self.digest, self.data_sha256, about + wanted)
        n_train, n_seen = self.boundaries(frame["Date"])
        if n_seen >= len(frame):
            raise UnusableError(
                f"{self.data_path}: {about}: no row is left for the test split after VAL_END"
                f" {self.val_end}; give an earlier one"
            )
        frame = frame.iloc[:n_seen]  # from here on there is no test split
        self.dates = frame["Date"]
        days = np.arange(self.max_context_length - 1, n_train - self.horizon)
        kept = np.linspace(0, len(days) - 1, round(len(days) * self.train_subset))
        self.train_days = days[kept.astype(np.int64)]
        self.val_days = np.arange(n_train, n_seen - self.horizon)
        labels = make_labels(frame, task=self.task, horizon=self.horizon)
        self.check_sizes(labels)
        constant = [n for n in self.feature_columns if frame[n].iloc[:n_train].nunique() < 2]
        if constant:
            raise UnusableError(
                f"{self.data_path}: {', '.join(constant)} never changes in the training rows;"
                " leave it out of FEATURE_COLUMNS"
            )
        features = input_features(frame, self.feature_columns, n_train)
        self.n_channels = features.shape[1]
        table = torch.tensor(features, dtype=torch.float32, device=device)
        self.windows = table.unfold(0, self.context_length, 1)  # (rows, channels, days), a view
        self.labels = torch.tensor(labels, dtype=torch.float32, device=device)
        # A context ending on day t is window t - context_length + 1.
        self.train_index = torch.tensor(self.train_days, device=device)
        self.val_index = torch.tensor(self.val_days, device=device)
        self.train_rate = float(labels[self.train_days].mean())
        daily_range = (frame["High"] / frame["Low"]).map(np.log).ewm(span=10).mean()
        self.baseline = torch.tensor(daily_range.to_numpy(np.float64)[self.val_days])

    def shrink(self) -> dict[str, int]:
        """Keep 300 training days, for --smoke; return the parameters of a short training."""
        self.train_days, self.train_index = self.train_days[-300:], self.train_index[-300:]
        return {"epochs": 2}

    def boundaries(self, dates: pd.Series[pd.Timestamp]) -> tuple[int, int]:
        """Return the numbers of rows before validation and before test."""
        if self.train_end and self.val_end:
            train_end, val_end = pd.Timestamp(self.train_end), pd.Timestamp(self.val_end)
            return int((dates <= train_end).sum()), int((dates <= val_end).sum())
        seen = self.train_fraction + self.val_fraction
        return round(len(dates) * self.train_fraction), round(len(dates) * seen)

    def check_sizes(self, labels: NDArray[np.float64]) -> None:
        """Refuse splits that cannot tell one configuration from another."""
        least = self.min_val_samples
        for split, days in (("training", self.train_days), ("validation", self.val_days)):
            n_positive = int(labels[days].sum())
            fewest = min(n_positive, len(days) - n_positive)
            if len(days) < least or fewest < self.min_class_samples:
                raise UnusableError(
                    f"{self.data_path}: {len(days)} {split} samples with {n_positive} positives;"
                    f" at least {least} samples and {self.min_class_samples} of each class are"
                    " needed. Use more rows or other splits."
                )

    def settings(self) -> dict[str, Any]:
        """Return the constants that trials must share to be compared; not where the data are."""
        apart = ("losses", "data_path", "data_sha256", "data_range")
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in apart}

    def describe(self) -> dict[str, Any]:
        """Return digest, dates, sizes, label rates, and what to beat."""
        val_labels = self.labels[self.val_index].cpu()
        return {
            "data": self.data_path,
            "data_sha256": self.digest,
            "rows": f"{span(self.dates)}, test rows left out",
            "train_days": span(self.dates.iloc[self.train_days]),
            "train_samples": len(self.train_days),
            "train_rate": self.train_rate,
            "val_days": span(self.dates.iloc[self.val_days]),
            "val_samples": len(self.val_days),
            "val_rate": float(val_labels.mean()),
            "prior_loss": log_loss(self.train_rate, val_labels),
            "one_feature_auc": auc(self.baseline, val_labels),
        }

    def build_model(self, arch: Arch, dropout: float) -> nn.Module:
        """Return an untrained model."""
        model = PatchTST(
            arch,
            dropout,
            n_channels=self.n_channels,
            context_length=self.context_length,
            patch_length=self.patch_length,
            stride=self.stride,
        )
        if not model.positions.is_meta:
            model.inputs.fit(self.window(self.train_index).to(model.positions.device))
        return model

    def sample(self, n: int, device: torch.device) -> Tensor:
        """Return n windows, for measuring memory."""
        return torch.zeros(n, self.context_length, self.n_channels, device=device)

    def rounds(self, config: Config) -> list[Round]:
        """Return one round per epoch."""
        n_batches = -(-len(self.train_index) // config["batch_size"])
        return [Round(epoch, n_batches) for epoch in range(1, config["epochs"] + 1)]

    def amounts(self, config: Config) -> dict[str, int]:
        """Return how much is trained."""
        return {"epochs": config["epochs"]}

    def batches(self, config: Config, index: int, seed: int) -> list[Tensor]:
        """Return the days of an epoch in random order, cut into batches; the last is smaller."""
        del index
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.train_index), generator=generator)
        days = self.train_index[order.to(self.train_index.device)]
        return list(days.split(config["batch_size"]))

    def window(self, days: Tensor) -> Tensor:
        """Return the contexts that end on some days, (days, context, channels)."""
        return self.windows[days - self.context_length + 1].transpose(1, 2)

    def training_batch(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Return windows and labels."""
        return self.window(indices), self.labels[indices]

    def loss(self, outputs: Tensor, targets: Tensor, config: Config) -> Tensor:
        """Return the mean training loss."""
        label_loss = self.losses[config["loss"]]
        return label_loss(outputs.float(), targets, train_rate=self.train_rate, config=config)

    def evaluate(self, model: nn.Module, micro_batch: int) -> dict[str, float]:
        """Return the metrics on the validation days, from a model in evaluation mode."""
        logits = [model(self.window(days)) for days in self.val_index.split(micro_batch)]
        targets = self.labels[self.val_index]
        metrics = label_metrics(torch.cat(logits).float(), targets)
        return {**metrics, "prior_loss": log_loss(self.train_rate, targets.cpu())}
