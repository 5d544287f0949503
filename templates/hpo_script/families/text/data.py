"""Data: texts with labels; the splits keep the shares of the labels, and no group is in two."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hpo_script.experiment.shared import OTHER_DATA, Arch, Config, UnusableError
from hpo_script.families.text.bytes import augmented, text_tokens
from hpo_script.families.text.constants import (
    CONTEXT_LENGTH,
    GROUP_COLUMN,
    LABEL_COLUMN,
    LABELS,
    MIN_CLASS_SAMPLES,
    SPLIT_COLUMN,
    SPLIT_SEED,
    TEXT_COLUMN,
    TRAIN_FRACTION,
    TRAIN_SUBSET,
    VAL_FRACTION,
)
from hpo_script.families.text.examples import (
    Example,
    evenly_spread,
    read_cells,
    read_rows,
    splits_of,
)
from hpo_script.families.text.label_baselines import label_logits, label_weights
from hpo_script.families.text.losses import LOSSES
from hpo_script.families.text.metrics import class_metrics
from hpo_script.families.text.model import TextClassifier

COLUMNS: dict[str, str | None] = {
    "text": TEXT_COLUMN,
    "label": LABEL_COLUMN,
    "group": GROUP_COLUMN,
    "split": SPLIT_COLUMN,
}


class Task:
    """Prediction of the label of a text."""

    unit = "epoch"
    hidden: tuple[str, ...] = ("label",)  # not read where the file names test texts

    def __init__(self, data_path: str, data_sha256: str | None) -> None:
        self.data_path, self.data_sha256 = data_path, data_sha256

    def load(self, device: torch.device) -> None:
        """Read the examples; move the tokens of training and validation texts to the device."""
        self.read_texts(device)
        self.tokens = self.encode(self.texts).to(device)

    def read_texts(self, device: torch.device) -> None:
        """Read texts and labels of training and validation. Raises UnusableError."""
        train, val, _ = self.read_splits()  # the test texts are dropped
        train = [train[row] for row in evenly_spread(range(len(train)), TRAIN_SUBSET)]
        for split, examples in (("training", train), ("validation", val)):
            counts = Counter(one.label for one in examples)
            if few := [label for label in LABELS if counts[label] < MIN_CLASS_SAMPLES]:
                raise UnusableError(
                    f"{self.data_path}: {counts[few[0]]} {split} texts have the label {few[0]!r},"
                    f" fewer than MIN_CLASS_SAMPLES, {MIN_CLASS_SAMPLES}"
                )
        self.texts = [one.text for one in train + val]
        labels = [LABELS.index(one.label) for one in train + val]
        self.labels = torch.tensor(labels, device=device)
        self.train = torch.arange(len(train), device=device)
        self.val = torch.arange(len(train), len(labels), device=device)

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return the first tokens of texts, (texts, CONTEXT_LENGTH)."""
        return text_tokens(texts)

    def read_splits(self) -> list[list[Example]]:
        """Return the examples of training, validation and test. Raises UnusableError."""
        content = Path(self.data_path).read_bytes()
        self.digest = hashlib.sha256(content).hexdigest()
        if self.data_sha256 not in (None, self.digest):
            raise UnusableError(OTHER_DATA.format(self.data_path, self.digest))
        try:
            rows = read_rows(Path(self.data_path), content)
            cells = read_cells(rows, COLUMNS, needed=COLUMNS, hidden=self.hidden)
            examples = [Example(**row) for row in cells]
            if others := sorted({one.label for one in examples} - {*LABELS, ""}):
                raise ValueError(f"label {others[0]!r} is not one of LABELS")
            shares = (TRAIN_FRACTION, VAL_FRACTION)
            splits = splits_of(examples, shares=shares, seed=SPLIT_SEED)
        except ValueError as error:
            raise UnusableError(f"{self.data_path}: {error}") from None
        return [[examples[row] for row in rows] for rows in splits]

    def limit_for_smoke(self) -> dict[str, int]:
        """Keep 300 training texts; return the parameters of a short training."""
        self.train = self.train[:: max(1, len(self.train) // 300)]
        return {"epochs": 2}

    def describe(self) -> dict[str, Any]:
        """Return digest, sizes and the number of labels."""
        about = {"data": self.data_path, "data_sha256": self.digest, "n_labels": len(LABELS)}
        return {**about, "train_samples": len(self.train), "val_samples": len(self.val)}

    def baselines(self) -> dict[str, dict[str, float]]:
        """Return the metrics of the label shares alone, and of a regression on TF-IDF."""
        val = self.val.cpu()
        found = self.baseline_logits([self.texts[row] for row in val.tolist()])
        targets = self.labels.cpu()[val]
        names = ("macro_f1", "accuracy", "val_loss")
        metrics = {name: class_metrics(logits, targets) for name, logits in found.items()}
        return {name: {metric: m[metric] for metric in names} for name, m in metrics.items()}

    def baseline_logits(self, asked: Sequence[str]) -> dict[str, Tensor]:
        """Return the logits of some texts, from baselines fitted to the training texts."""
        train = [self.texts[row] for row in self.train.tolist()]
        return label_logits(train, self.labels.cpu()[self.train.cpu()], asked, len(LABELS))

    def build_model(self, arch: Arch, dropout: float) -> nn.Module:
        """Return an untrained model."""
        return TextClassifier(arch, dropout)

    def sample(self, n: int, device: torch.device) -> Tensor:
        """Return n texts of zeros, for the measurement of memory."""
        return torch.zeros(n, CONTEXT_LENGTH, dtype=torch.long, device=device)

    def intervals(self, config: Config) -> Iterator[tuple[int, int]]:
        """Yield each epoch from 1, and its number of batches."""
        n_batches = math.ceil(len(self.train) / config["batch_size"])
        return ((epoch + 1, n_batches) for epoch in range(config["epochs"]))

    def training_length(self, config: Config) -> dict[str, int]:
        """Return the length of a training in epochs."""
        return {"epochs": config["epochs"]}

    def batches(self, config: Config, _n_batches: int, seed: int) -> list[Tensor]:
        """Return the augmented texts of an epoch in random order, in batches.

        A row has the index of a text and its tokens. The last batch is smaller.
        """
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.train), generator=generator).to(self.train.device)
        indices = self.train[order]
        tokens = augmented(self.tokens[indices].int(), config, generator)
        rows = torch.cat([indices.int().unsqueeze(1), tokens], 1)
        return list(rows.split(config["batch_size"]))

    def training_batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tokens of texts, (texts, CONTEXT_LENGTH), and their labels."""
        return rows[:, 1:].long(), self.labels[rows[:, 0].long()]

    def loss(self, outputs: Tensor, targets: Tensor, config: Config) -> Tensor:
        """Return the mean training loss; `class_balance` 1 gives all labels the same weight."""
        weights = label_weights(self.labels[self.train], len(LABELS), config["class_balance"])
        return LOSSES[config["loss"]](outputs.float(), targets, weights, config)

    def evaluate(self, model: nn.Module, micro_batch: int) -> dict[str, float]:
        """Return the metrics on the validation texts, from a model in evaluation mode."""
        parts = self.val.split(micro_batch)
        logits = torch.cat([model(self.tokens[rows].long()) for rows in parts])
        return class_metrics(logits.float(), self.labels[self.val])
