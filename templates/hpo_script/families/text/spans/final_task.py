"""Final task: the test questions, read once after all training, and those of other files.

The scores of a text are its token F1, whether the answer is exact, and whether there is one.
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
from hpo_script.families.text.constants import CONTEXT_LENGTH, GROUP_COLUMN
from hpo_script.families.text.examples import read_rows
from hpo_script.families.text.spans.data import COLUMNS, answers_to, spans_in
from hpo_script.families.text.spans.examples import SpanExample, span_examples
from hpo_script.families.text.spans.metrics import (
    Spans,
    fitted_threshold,
    kept_spans,
    token_f1,
)
from hpo_script.families.text.spans.model import SpanFinder
from hpo_script.families.text.spans.span_task import Task
from hpo_script.families.text.spans.word_buckets import FEATURES
from hpo_script.families.text.spans.word_inputs import encode_all

MIN_TEST_TEXTS = 100
DECIDING = {"token_f1": "token F1", "exact_match": "exact match", "val_loss": "token F1"}


class FinalTask(Task):
    """The task of the search, with the test texts."""

    hidden = ()
    signs: Mapping[str, int] = {"token F1": 1, "exact match": 1}
    deciding = DECIDING[METRIC]
    groups: np.ndarray | None = None

    def load(self, device: torch.device) -> None:
        """Read training and validation texts."""
        super().load(device)
        self.only_training = self.train
        self.learnt_of_both = (self.targets[:, 0] >= 0).nonzero().flatten()

    def train_on(self, validation: bool) -> None:
        """Train on the training texts, or on those of validation as well."""
        self.train = self.learnt_of_both if validation else self.only_training

    def open_test(self) -> None:
        """Read the test texts, which nothing else reads. Raises UnusableError."""
        known = self.digest
        self.test = self.read_splits()[2]
        if self.digest != known:
            raise UnusableError(f"{self.data_path} changed during this run")
        if GROUP_COLUMN:
            self.groups = np.array([one.group for one in self.test])

    def too_few(self) -> bool:
        """Return whether there are too few test texts."""
        return len(self.test) < MIN_TEST_TEXTS

    def measures(self, scores: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Return the measures on the test texts, per resample."""
        means = counts @ scores[:, :2] / counts.sum(1, keepdims=True)
        return {"token F1": means[:, 0], "exact match": means[:, 1]}

    def spans(self, model: nn.Module, asked: Sequence[SpanExample], size: int) -> Spans:
        """Return the best span of each text and its lead, from a model in evaluation mode."""
        device = next(model.parameters()).device
        inputs, places, _ = encode_all(asked, device)
        with torch.inference_mode():
            logits = torch.cat([model(part.long()) for part in inputs.split(size)])
        return spans_in(asked, places, logits)

    def decide(self, model: nn.Module, size: int) -> dict[str, float]:
        """Return the threshold of "no answer", from all validation texts."""
        val = self.examples_of(self.val)
        answers = [one.answer for one in val]
        threshold = fitted_threshold(*self.spans(model, val, size), answers)
        return {"threshold": min(threshold, 1e9)}  # JSON has no infinity

    def answers(
        self,
        model: nn.Module,
        asked: Sequence[SpanExample],
        about: Mapping[str, Any],
        size: int,
    ) -> list[str]:
        """Return the answers, "" where the lead is below the threshold."""
        return kept_spans(*self.spans(model, asked, size), about["threshold"])

    def test_scores(self, model: nn.Module, about: Mapping[str, Any], size: int) -> np.ndarray:
        """Return the scores of the test texts."""
        return scores_of(self.answers(model, self.test, about, size), self.test)

    def baseline_scores(self, both: bool) -> tuple[dict[str, np.ndarray], str]:
        """Return the scores of each baseline on the test texts, and the best on validation.

        The threshold of each is fitted on validation texts, as the one of the model.
        """
        self.train_on(validation=False)
        val = self.examples_of(self.val)
        answers, column = [one.answer for one in val], list(self.signs).index(self.deciding)
        thresholds, reached = {}, {}
        for name, found in self.baseline_spans(val).items():
            thresholds[name] = fitted_threshold(*found, answers)
            reached[name] = scores_of(answers_to(val, *found), val)[:, column].mean()
        self.train_on(validation=both)
        on_test = {
            name: scores_of(kept_spans(*found, thresholds[name]), self.test)
            for name, found in self.baseline_spans(self.test).items()
        }
        return on_test, max(reached, key=lambda name: reached[name])

    def collapsed(self, scores: np.ndarray, about: Mapping[str, Any]) -> bool:
        """Return whether no text gets an answer."""
        del about
        return not scores[:, 2].any()

    def more(self, scores: np.ndarray, about: Mapping[str, Any]) -> dict[str, float]:
        """Return the share of texts with an answer, and the threshold."""
        return {"answered": float(scores[:, 2].mean()), "threshold": about["threshold"]}

    def table(self, scores: np.ndarray) -> list[dict[str, float]]:
        """Return no table."""
        del scores
        return []

    def test_rows(self, by_fit: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """Return the test texts with the token F1 of each training."""
        rows = [(one.question, one.text, one.answer) for one in self.test]
        table = pd.DataFrame(rows, columns=["question", "text", "answer"])
        return table.assign(**{name: scores[:, 0] for name, scores in by_fit.items()})

    def statistics(self) -> dict[str, Any]:
        """Return the length of the context; words need no statistics."""
        return {"context_length": CONTEXT_LENGTH}

    def restore(self, statistics: Mapping[str, Any]) -> None:
        """Take nothing from a file of weights."""

    def empty_model(self, arch: Arch) -> nn.Module:
        """Return a model for weights to be loaded into."""
        return SpanFinder(arch, 0.0)

    def example(self) -> Tensor:
        """Return an input of the model, for an export."""
        return torch.zeros(1, CONTEXT_LENGTH, FEATURES, dtype=torch.long)

    def predict(
        self, path: Path, model: nn.Module, about: Mapping[str, Any], device: torch.device
    ) -> pd.DataFrame:
        """Return the answer of each row of a file, "" for none. Raises UnusableError."""
        del device
        asks = ("text", "question")
        columns = {name: COLUMNS[name] if name in asks else None for name in COLUMNS}
        try:
            asked = span_examples(read_rows(path, path.read_bytes()), columns)
        except ValueError as error:
            raise UnusableError(f"{path}: {error}") from None
        if not asked:
            raise UnusableError(f"{path}: no rows")
        answers = self.answers(model, asked, about, 64)
        return pd.DataFrame({"row": np.arange(1, len(asked) + 1), "answer": answers})


def scores_of(found: Sequence[str], asked: Sequence[SpanExample]) -> np.ndarray:
    """Return token F1, exact match and whether there is an answer, (texts, 3)."""
    pairs = [(answer, one.answer) for answer, one in zip(found, asked, strict=True)]
    return np.array([(token_f1(a, b), a == b, a != "") for a, b in pairs], np.float64)
