"""Data: questions and texts with a label and a span; the splits keep the shares of both."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
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
from hpo_script.families.text.spans.data import COLUMNS, SpanTask, answers_to
from hpo_script.families.text.spans.examples import SpanExample
from hpo_script.families.text.spans.metrics import Spans, answer_metrics
from hpo_script.families.text.spans.rules import no_answer

LABEL_SCORES = ("macro_f1", "accuracy")
PAIRS = (("majority label", "no answer"), ("TF-IDF", "word regression"))


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
        if others := sorted({one.label for part in splits for one in part} - {*LABELS, ""}):
            raise UnusableError(f"{self.data_path}: label {others[0]!r} is not one of LABELS")
        return splits

    def describe(self) -> dict[str, Any]:
        """Return digest, sizes and the number of labels."""
        return {**super().describe(), "n_labels": len(LABELS)}

    def baselines(self) -> dict[str, dict[str, float]]:
        """Return the metrics of the baselines of each task, and the mean F1 of PAIRS of them."""
        val = self.examples_of(self.val)
        targets, answers = self.labels[self.val].cpu(), [one.answer for one in val]
        logits, spans = self.fitted(val)
        found = {name: answers_to(val, *of) for name, of in spans.items()}
        metrics = {name: class_metrics(values, targets) for name, values in logits.items()}
        by_name = {name: {s: of[s] for s in LABEL_SCORES} for name, of in metrics.items()}
        by_name |= {name: answer_metrics(texts, answers) for name, texts in found.items()}
        for label, span in PAIRS:
            mean = (by_name[label]["macro_f1"] + by_name[span]["token_f1"]) / 2
            by_name[f"{label} and {span}"] = {"mean_f1": mean}
        return by_name

    def fitted(self, asked: Sequence[SpanExample]) -> tuple[dict[str, Tensor], dict[str, Spans]]:
        """Return label logits and best spans by baselines, fitted to the training texts."""
        train = self.examples_of(self.train)
        targets = self.labels[self.train].cpu()
        texts, others = [one.text for one in train], [one.text for one in asked]
        logits = label_logits(texts, targets, others, len(LABELS))
        return logits, {"no answer": no_answer(train, asked), **self.baseline_spans(asked)}

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
