"""Data: questions and texts; the splits keep the share of answers, and no group is in two."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hpo_script.experiment.shared import OTHER_DATA, Config, UnusableError
from hpo_script.families.text.constants import (
    ANSWER_COLUMN,
    CONTEXT_LENGTH,
    END_COLUMN,
    GROUP_COLUMN,
    MIN_ANSWERS,
    QUESTION_COLUMN,
    SPLIT_COLUMN,
    SPLIT_SEED,
    START_COLUMN,
    TEXT_COLUMN,
    TRAIN_FRACTION,
    TRAIN_SUBSET,
    VAL_FRACTION,
)
from hpo_script.families.text.examples import Example, evenly_spread, read_rows, splits_of
from hpo_script.families.text.spans.examples import SpanExample, span_examples
from hpo_script.families.text.spans.metrics import (
    Spans,
    answer_metrics,
    best_spans,
    cross_fitted,
)
from hpo_script.families.text.spans.rules import commonest_answer, commonest_place, no_answer
from hpo_script.families.text.spans.word_buckets import FEATURES
from hpo_script.families.text.spans.word_inputs import augmented, encode_all
from hpo_script.families.text.spans.word_regression import regression_spans
from hpo_script.families.text.spans.words import word_places

COLUMNS: dict[str, str | None] = {
    "text": TEXT_COLUMN,
    "question": QUESTION_COLUMN,
    "start": None if ANSWER_COLUMN else START_COLUMN,
    "end": None if ANSWER_COLUMN else END_COLUMN,
    "answer": ANSWER_COLUMN,
    "group": GROUP_COLUMN,
    "split": SPLIT_COLUMN,
}
HIDDEN_OF_TEST = ("start", "end", "answer", "label")  # where the file names the test texts
BASELINES = {
    "no answer": no_answer,
    "commonest place": commonest_place,
    "commonest answer": commonest_answer,
    "word regression": regression_spans,
}


class SpanTask:
    """Data, loss and metrics of the answer to a question in a text; a task adds the model."""

    unit = "epoch"
    columns: Mapping[str, str | None] = COLUMNS
    hidden: tuple[str, ...] = HIDDEN_OF_TEST

    def __init__(self, data_path: str, data_sha256: str | None) -> None:
        self.data_path, self.data_sha256 = data_path, data_sha256

    def load(self, device: torch.device) -> None:
        """Read the examples; move the words of training and validation to the device."""
        train, val, _ = self.read_splits()  # the test examples are dropped
        train = [train[row] for row in evenly_spread(range(len(train)), TRAIN_SUBSET)]
        for name, part in (("training", train), ("validation", val)):
            if (n_answers := sum(bool(one.answer) for one in part)) < MIN_ANSWERS:
                raise UnusableError(
                    f"{self.data_path}: {n_answers} {name} texts have an answer, fewer than"
                    f" MIN_ANSWERS, {MIN_ANSWERS}"
                )
        self.examples = train + val
        self.inputs, self.places, self.targets = encode_all(self.examples, device)
        learnt = self.targets[: len(train), 0] >= 0  # the answer is within the context
        self.train = learnt.nonzero().flatten()
        self.val = torch.arange(len(train), len(self.examples), device=device)

    def read_splits(self) -> list[list[SpanExample]]:
        """Return the examples of training, validation and test. Raises UnusableError."""
        content = Path(self.data_path).read_bytes()
        self.digest = hashlib.sha256(content).hexdigest()
        if self.data_sha256 not in (None, self.digest):
            raise UnusableError(OTHER_DATA.format(self.data_path, self.digest))
        try:
            rows = read_rows(Path(self.data_path), content)
            examples = span_examples(rows, self.columns, self.hidden)
            splits = splits_of(
                [Example(one.text, one.kind, one.group, one.split) for one in examples],
                shares=(TRAIN_FRACTION, VAL_FRACTION),
                seed=SPLIT_SEED,
            )
        except ValueError as error:
            raise UnusableError(f"{self.data_path}: {error}") from None
        return [[examples[row] for row in rows] for rows in splits]

    def limit_for_smoke(self) -> dict[str, int]:
        """Keep 300 training texts; return the parameters of a short training."""
        self.train = self.train[:: max(1, len(self.train) // 300)]
        return {"epochs": 2}

    def describe(self) -> dict[str, Any]:
        """Return digest, sizes, how many texts are cut, and how many answers are out of reach."""
        seen = self.places[:, :, 1].amax(1).tolist()
        ends = [max((end for _, end in word_places(one.text)), default=0) for one in self.examples]
        return {
            "data": self.data_path,
            "data_sha256": self.digest,
            "train_samples": len(self.train),
            "val_samples": len(self.val),
            "cut_texts": sum(end < last for end, last in zip(seen, ends, strict=True)),
            "lost_answers": int((self.targets[:, 0] < 0).sum()),
        }

    def baselines(self) -> dict[str, dict[str, float]]:
        """Return the metrics of rules and of a regression on words."""
        val = self.examples_of(self.val)
        found = {name: answers_to(val, *of) for name, of in self.baseline_spans(val).items()}
        answers = [one.answer for one in val]
        return {name: answer_metrics(texts, answers) for name, texts in found.items()}

    def examples_of(self, rows: Tensor) -> list[SpanExample]:
        """Return the examples of rows of training and validation."""
        return [self.examples[row] for row in rows.tolist()]

    def baseline_spans(self, asked: Sequence[SpanExample]) -> dict[str, Spans]:
        """Return the best spans by baselines that are fitted to the training texts.

        "No answer" is one of them if some text has none.
        """
        train = self.examples_of(self.train)
        found = {name: of(train, asked) for name, of in BASELINES.items()}
        if all(one.answer for one in self.examples):
            del found["no answer"]
        return found

    def sample(self, n: int, device: torch.device) -> Tensor:
        """Return n texts of zeros, for the measurement of memory."""
        return torch.zeros(n, CONTEXT_LENGTH, FEATURES, dtype=torch.long, device=device)

    def intervals(self, config: Config) -> Iterator[tuple[int, int]]:
        """Yield each epoch from 1, and its number of batches."""
        n_batches = math.ceil(len(self.train) / config["batch_size"])
        return ((epoch + 1, n_batches) for epoch in range(config["epochs"]))

    def training_length(self, config: Config) -> dict[str, int]:
        """Return the length of a training in epochs."""
        return {"epochs": config["epochs"]}

    def batches(self, config: Config, _n_batches: int, seed: int) -> list[Tensor]:
        """Return the augmented texts of an epoch in random order, in batches.

        A row has the index of a text, filled up, and its words, all with their features. The last
        batch is smaller.
        """
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.train), generator=generator).to(self.train.device)
        indices = self.train[order]
        words = augmented(self.inputs[indices], self.targets[indices], config, generator)
        index = indices.int()[:, None, None].expand(-1, 1, FEATURES)
        return list(torch.cat([index, words], 1).split(config["batch_size"]))

    def training_batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return inputs, (texts, CONTEXT_LENGTH, FEATURES), and the positions of the answers."""
        return rows[:, 1:].long(), self.targets[rows[:, 0, 0].long()]

    def loss(self, outputs: Tensor, targets: Tensor, config: Config) -> Tensor:
        """Return the mean loss of start and end; `no_answer_weight` is of texts without one.

        Targets of -1, answers that the model cannot reach, have no loss.
        """
        logits = outputs.transpose(1, 2)
        losses = F.cross_entropy(logits, targets, reduction="none", ignore_index=-1).mean(1)
        weights = torch.where(targets[:, 0] > 0, 1.0, config["no_answer_weight"])
        return (weights * losses).mean()

    def logits(self, model: nn.Module, rows: Tensor, micro_batch: int) -> Tensor:
        """Return the logits of start and end, from a model in evaluation mode."""
        return torch.cat([model(self.inputs[part].long()) for part in rows.split(micro_batch)])

    def evaluate(self, model: nn.Module, micro_batch: int) -> dict[str, float]:
        """Return the metrics on the validation texts, from a model in evaluation mode."""
        return self.span_metrics(self.logits(model, self.val, micro_batch))

    def span_metrics(self, logits: Tensor) -> dict[str, float]:
        """Return the metrics on the validation texts, from logits (texts, 2, CONTEXT_LENGTH)."""
        targets = self.targets[self.val]
        learnt = targets[:, 0] >= 0
        losses = F.cross_entropy(logits[learnt].transpose(1, 2), targets[learnt])
        if not math.isfinite(float(losses)):
            return {"val_loss": math.nan}
        examples = self.examples_of(self.val)
        places = self.places[self.val.cpu()]
        found = answers_to(examples, *spans_in(examples, places, logits))
        answers = [one.answer for one in examples]
        right = sum(bool(one) == bool(other) for one, other in zip(found, answers, strict=True))
        return {
            **answer_metrics(found, answers),
            "val_loss": float(losses),
            "answered_right": right / len(found),
            "collapsed": len({*found}) == 1,
        }


def spans_in(examples: Sequence[SpanExample], places: Tensor, logits: Tensor) -> Spans:
    """Return the best span of each text, and its lead over "no answer"; see `Encoded`."""
    spans: list[str] = []
    leads: list[float] = []
    for rows in torch.arange(len(examples)).split(256):  # a score per span needs memory
        first, last, lead = best_spans(logits[rows.to(logits.device)].cpu())
        starts, ends = places[rows, first, 0].tolist(), places[rows, last, 1].tolist()
        chosen = zip(rows.tolist(), starts, ends, strict=True)
        spans += [examples[row].text[start:end] for row, start, end in chosen]
        leads += lead.tolist()
    return spans, leads


def answers_to(
    val: Sequence[SpanExample], spans: Sequence[str], leads: Sequence[float]
) -> list[str]:
    """Return the answers to validation texts, after cross-fitted thresholds of the lead."""
    groups = [one.group or one.text for one in val]
    return cross_fitted(spans, leads, [one.answer for one in val], groups)
