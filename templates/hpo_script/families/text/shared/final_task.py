"""Final task: the test texts, read once after all training, and the texts of other files.

The scores of a text are the log-probability of each label, the token F1 of the answer, whether it
is exact, and whether there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from hpo_script.constants import METRIC
from hpo_script.experiment.shared import Arch, UnusableError
from hpo_script.families.text.constants import CONTEXT_LENGTH, GROUP_COLUMN, LABELS
from hpo_script.families.text.examples import read_rows
from hpo_script.families.text.final_measures import (
    best_temperature,
    label_measures,
    log_probabilities,
)
from hpo_script.families.text.metrics import class_metrics
from hpo_script.families.text.shared.data import PAIRS, Task
from hpo_script.families.text.shared.logits import split_logits
from hpo_script.families.text.shared.model import LabelSpanModel
from hpo_script.families.text.spans.data import answers_to, spans_in
from hpo_script.families.text.spans.examples import SpanExample, span_examples
from hpo_script.families.text.spans.metrics import fitted_threshold, kept_spans, token_f1
from hpo_script.families.text.spans.word_buckets import FEATURES
from hpo_script.families.text.spans.word_inputs import encode_all

MIN_TEST_TEXTS = 100
MEASURE_OF = {
    "mean_f1": "mean F1",
    "macro_f1": "macro F1",
    "token_f1": "token F1",
    "exact_match": "exact match",
    "accuracy": "accuracy",
    "val_loss": "mean F1",
}


class FinalTask(Task):
    """The task of the search, with the test texts."""

    hidden = ()
    signs: Mapping[str, int] = dict.fromkeys(MEASURE_OF.values(), 1)
    deciding = MEASURE_OF[METRIC]
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
        self.test = self.read_splits()[2]
        if self.digest != known:
            raise UnusableError(f"{self.data_path} changed during this run")
        if GROUP_COLUMN:
            self.groups = np.array([one.group for one in self.test])

    def too_few(self) -> bool:
        """Return whether there are too few test texts, or those of one label alone."""
        return len(self.test) < MIN_TEST_TEXTS or len({one.label for one in self.test}) < 2

    def measures(self, scores: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Return the measures on the test texts, per resample."""
        return measures_of(scores, self.test, counts)

    def outputs(
        self, model: nn.Module, asked: Sequence[SpanExample], size: int
    ) -> tuple[Tensor, list[str], list[float]]:
        """Return label logits, the best span of each text and its lead over no answer."""
        device = next(model.parameters()).device
        inputs, places, _ = encode_all(asked, device)
        with torch.inference_mode():
            found = torch.cat([model(part.long()) for part in inputs.split(size)])
        spans, labels = split_logits(found.cpu())
        return labels, *spans_in(asked, places, spans)

    def decide(self, model: nn.Module, size: int) -> dict[str, float]:
        """Return the temperature and the threshold of no answer, from all validation texts."""
        val = self.examples_of(self.val)
        labels, spans, leads = self.outputs(model, val, size)
        threshold = fitted_threshold(spans, leads, [one.answer for one in val])
        return {
            "temperature": best_temperature(labels, self.labels[self.val].cpu()),
            "threshold": min(threshold, 1e9),  # JSON has no infinity
        }

    def predictions(
        self, model: nn.Module, asked: Sequence[SpanExample], about: Mapping[str, Any], size: int
    ) -> tuple[np.ndarray, list[str]]:
        """Return the log-probabilities of labels and the answers, "" below the threshold."""
        labels, spans, leads = self.outputs(model, asked, size)
        answers = kept_spans(spans, leads, about["threshold"])
        return log_probabilities(labels, about["temperature"]), answers

    def test_scores(self, model: nn.Module, about: Mapping[str, Any], size: int) -> np.ndarray:
        """Return the scores of the test texts."""
        return scores_of(*self.predictions(model, self.test, about, size), self.test)

    def baseline_scores(self, both: bool) -> tuple[dict[str, np.ndarray], str]:
        """Return the scores of each pair of baselines on the test texts, and the best one.

        The best one on validation, where the threshold of each is fitted, too.
        """
        self.train_on(validation=False)
        val = self.examples_of(self.val)
        labels, spans = self.fitted(val)
        answers, whole = [one.answer for one in val], np.ones((1, len(val)))
        thresholds = {name: fitted_threshold(*found, answers) for name, found in spans.items()}
        crossed = {name: answers_to(val, *found) for name, found in spans.items()}
        reached = {
            name: float(measures_of(scores, val, whole)[self.deciding][0])
            for name, scores in pair_scores(labels, crossed, val).items()
        }
        self.train_on(validation=both)
        labels, spans = self.fitted(self.test)
        kept = {name: kept_spans(*found, thresholds[name]) for name, found in spans.items()}
        best = max(reached, key=lambda name: reached[name])
        return pair_scores(labels, kept, self.test), best

    def collapsed(self, scores: np.ndarray, about: Mapping[str, Any]) -> bool:
        """Return whether no text gets an answer, or every text the same label."""
        del about
        return not scores[:, -1].any() or len({*scores[:, :-3].argmax(1).tolist()}) == 1

    def more(self, scores: np.ndarray, about: Mapping[str, Any]) -> dict[str, float]:
        """Return calibration, the lowest recall of a label, and the share of answers."""
        labels = torch.tensor(label_indices(self.test))
        found = class_metrics(torch.tensor(scores[:, : len(LABELS)]), labels)
        return {
            "ECE": found["ece"],
            "lowest recall": found["lowest_recall"],
            "answered": float(scores[:, -1].mean()),
            **{name: about[name] for name in ("temperature", "threshold")},
        }

    def table(self, scores: np.ndarray) -> list[dict[str, float]]:
        """Return no table."""
        del scores
        return []

    def test_rows(self, by_fit: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """Return the test texts with the label and the scores of the answer of each training."""
        rows = [(one.question, one.text, one.label, one.answer) for one in self.test]
        table = pd.DataFrame(rows, columns=["question", "text", "label", "answer"])
        names = np.array(LABELS)
        for fit, scores in by_fit.items():
            table[f"{fit} label"] = names[scores[:, : len(LABELS)].argmax(1)]
            table[f"{fit} token F1"] = scores[:, -3]
            table[f"{fit} exact"] = scores[:, -2]
        return table

    def statistics(self) -> dict[str, Any]:
        """Return the names of the labels, in the order of the outputs, and the context."""
        return {"labels": LABELS, "context_length": CONTEXT_LENGTH}

    def restore(self, statistics: Mapping[str, Any]) -> None:
        """Take nothing from a file of weights: the labels are constants of this script."""

    def empty_model(self, arch: Arch) -> nn.Module:
        """Return a model for weights to be loaded into."""
        return LabelSpanModel(arch, 0.0)

    def example(self) -> Tensor:
        """Return an input of the model, for an export."""
        return torch.zeros(1, CONTEXT_LENGTH, FEATURES, dtype=torch.long)

    def predict(
        self, path: Path, model: nn.Module, about: Mapping[str, Any], device: torch.device
    ) -> pd.DataFrame:
        """Return the likeliest label and the answer of each row of a file, "" for none.

        Raises UnusableError.
        """
        del device
        asks = ("text", "question")
        columns = {name: self.columns[name] if name in asks else None for name in self.columns}
        try:
            asked = span_examples(read_rows(path, path.read_bytes()), columns)
        except ValueError as error:
            raise UnusableError(f"{path}: {error}") from None
        if not asked:
            raise UnusableError(f"{path}: no rows")
        labels, answers = self.predictions(model, asked, about, 64)
        found = {
            "row": np.arange(1, len(asked) + 1),
            "label": np.array(LABELS)[labels.argmax(1)],
            "probability": np.exp(labels.max(1)),
            "answer": answers,
        }
        return pd.DataFrame(found)


def label_indices(examples: Sequence[SpanExample]) -> np.ndarray:
    """Return the indices of the labels of texts in LABELS."""
    return np.array([LABELS.index(one.label) for one in examples])


def measures_of(
    scores: np.ndarray, examples: Sequence[SpanExample], counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the measures of scores of texts, per resample; see `label_measures`."""
    labels, spans = np.split(scores, [len(LABELS)], 1)
    of_labels = label_measures(labels, label_indices(examples), counts)
    of_spans = counts @ spans[:, :2] / counts.sum(1, keepdims=True)
    return {
        "mean F1": (of_labels["macro F1"] + of_spans[:, 0]) / 2,
        "macro F1": of_labels["macro F1"],
        "token F1": of_spans[:, 0],
        "exact match": of_spans[:, 1],
        "accuracy": of_labels["accuracy"],
    }


def pair_scores(
    labels: Mapping[str, Tensor], answers: Mapping[str, list[str]], asked: Sequence[SpanExample]
) -> dict[str, np.ndarray]:
    """Return the scores of pairs of baselines, from their label logits and answers."""
    return {
        f"{label} and {span}": scores_of(
            log_probabilities(labels[label], 1.0), answers[span], asked
        )
        for label, span in PAIRS
    }


def scores_of(
    labels: np.ndarray, answers: Sequence[str], asked: Sequence[SpanExample]
) -> np.ndarray:
    """Return the log-probabilities of labels with three scores of the answers, per text."""
    pairs = [(answer, one.answer) for answer, one in zip(answers, asked, strict=True)]
    spans = np.array([(token_f1(a, b), a == b, a != "") for a, b in pairs], np.float64)
    return np.concatenate([labels, spans], 1)
