"""Data: questions and texts with a label and a span; the splits keep the shares of both."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from hpo_script.experiment.shared import Arch, Config, UnusableError
from hpo_script.families.text.constants import LABEL_COLUMN, LABELS, MIN_CLASS_SAMPLES
from hpo_script.families.text.label_baselines import label_logits, label_weights
from hpo_script.families.text.losses import LOSSES
from hpo_script.families.text.metrics import class_metrics
from hpo_script.families.text.shared.logits import split_logits
from hpo_script.families.text.shared.model import LabelSpanModel
from hpo_script.families.text.spans.data import BASELINES, COLUMNS
from hpo_script.families.text.spans.data import Task as SpanTask
from hpo_script.families.text.spans.examples import SpanExample
from hpo_script.families.text.spans.metrics import answer_metrics

LABEL_SCORES = ("macro_f1", "accuracy")


class Task(SpanTask):
    """Prediction of the label of a text, and of the span that answers a question."""

    columns: Mapping[str, str | None] = {**COLUMNS, "label": LABEL_COLUMN}

    def load(self, device: torch.device) -> None:
        """Read the examples; a text whose answer is beyond the context has its label alone."""
        super().load(device)
        n_train = len(self.examples) - len(self.val)
        self.train = torch.arange(n_train, device=device)
        for name, part in (
            ("training", self.examples[:n_train]),
            ("validation", self.examples[n_train:]),
        ):
            counts = Counter(one.label for one in part)
            if few := [label for label in LABELS if counts[label] < MIN_CLASS_SAMPLES]:
                raise UnusableError(
                    f"{self.data_path}: {counts[few[0]]} {name} texts have the label {few[0]!r},"
                    f" fewer than MIN_CLASS_SAMPLES, {MIN_CLASS_SAMPLES}"
                )
        labels = [LABELS.index(one.label) for one in self.examples]
        self.labels = torch.tensor(labels, device=device)

    def read_splits(self) -> list[list[SpanExample]]:
        """Return the examples of training, validation and test. Raises UnusableError."""
        splits = super().read_splits()
        if others := sorted({one.label for part in splits for one in part} - {*LABELS}):
            raise UnusableError(f"{self.data_path}: label {others[0]!r} is not one of LABELS")
        return splits

    def describe(self) -> dict[str, Any]:
        """Return digest, sizes and the number of labels."""
        return {**super().describe(), "n_labels": len(LABELS)}

    def baselines(self) -> dict[str, dict[str, float]]:
        """Return the metrics of the baselines of each task, and of two pairs of them."""
        train = [self.examples[row] for row in self.train.tolist()]
        val = [self.examples[row] for row in self.val.tolist()]
        answers, targets = [one.answer for one in val], self.labels[self.val].cpu()
        labels = label_logits(
            [one.text for one in train],
            self.labels.cpu()[self.train.cpu()],
            [one.text for one in val],
            len(LABELS),
        )
        found = {}
        for name, logits in labels.items():
            metrics = class_metrics(logits, targets)
            found[name] = {score: metrics[score] for score in LABEL_SCORES}
        found["no answer"] = answer_metrics([""] * len(val), answers)
        for name, of in BASELINES.items():
            found[name] = answer_metrics(of(train, val), answers)
        return {**found, **pairs_of(found)}

    def build_model(self, arch: Arch, dropout: float) -> nn.Module:
        """Return an untrained model."""
        return LabelSpanModel(arch, dropout)

    def training_batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return buckets, and first word, last word and label, (texts, 3)."""
        buckets, spans = super().training_batch(rows)
        labels = self.labels[rows[:, 0, 0].long()]
        return buckets, torch.cat([spans, labels.unsqueeze(1)], 1)

    def loss(self, outputs: Tensor, targets: Tensor, config: Config) -> Tensor:
        """Return the mean training loss: `span_weight` is the share of the span's loss in it."""
        spans, labels = split_logits(outputs)
        weights = label_weights(self.labels[self.train], len(LABELS), config["class_balance"])
        label_loss = LOSSES[config["loss"]](labels, targets[:, 2], weights, config)
        span_loss = super().loss(spans, targets[:, :2], config)
        share = config["span_weight"]
        return (1 - share) * label_loss + share * span_loss

    def evaluate(self, model: nn.Module, micro_batch: int) -> dict[str, float]:
        """Return the metrics on the validation texts, from a model in evaluation mode.

        `val_loss` is the mean of both losses, whatever the weights of the training.
        """
        spans, labels = split_logits(self.logits(model, self.val, micro_batch))
        of_spans = self.span_metrics(spans)
        of_labels = class_metrics(labels, self.labels[self.val])
        losses = {"span_loss": of_spans["val_loss"], "label_loss": of_labels["val_loss"]}
        if not all(map(math.isfinite, losses.values())):
            return {"val_loss": math.nan}
        return {
            "mean_f1": (of_labels["macro_f1"] + of_spans["token_f1"]) / 2,
            **of_labels,
            **of_spans,
            **losses,
            "val_loss": sum(losses.values()) / 2,
            "collapsed": of_labels["collapsed"] or of_spans["collapsed"],
        }


def pairs_of(found: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Return the mean F1 of two pairs of baselines: of the simplest ones, and of regressions."""
    pairs = [("majority label", "no answer"), ("TF-IDF", "word regression")]
    return {
        f"{label} and {span}": {
            "mean_f1": (found[label]["macro_f1"] + found[span]["token_f1"]) / 2
        }
        for label, span in pairs
    }
