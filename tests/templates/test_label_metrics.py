"""Metrics are those of their definitions, ties and all."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hpo_script.families.market.metrics import auc, calibration_error, label_metrics, log_loss


def pairs(scores: list[float], targets: list[int]) -> float:
    """Count the AUC pair by pair."""
    positive = [s for s, t in zip(scores, targets, strict=True) if t]
    negative = [s for s, t in zip(scores, targets, strict=True) if not t]
    wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
    return wins / (len(positive) * len(negative))


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=60))
def test_auc_counts_every_pair_and_ties_as_half(rows: list[tuple[int, bool]]) -> None:
    targets = [int(target) for _, target in rows]
    if len(set(targets)) < 2:
        return
    scores = [float(score) for score, _ in rows]
    found = auc(torch.tensor(scores), torch.tensor(targets))
    assert found == pytest.approx(pairs(scores, targets), abs=1e-12)


def test_auc_of_many_samples_is_exact() -> None:
    torch.manual_seed(0)
    targets = (torch.rand(2000) < 0.3).long()
    scores = torch.randn(2000).round(decimals=1) + targets
    assert auc(scores, targets) == pytest.approx(pairs(scores.tolist(), targets.tolist()))


def test_known_predictions_have_known_metrics() -> None:
    logits = torch.tensor([2.0, -1.0, 0.5, -3.0])
    targets = torch.tensor([1.0, 1.0, 0.0, 0.0])
    found = label_metrics(logits, targets)
    p = [1 / (1 + math.exp(-x)) for x in logits.tolist()]
    terms = [-math.log(p[0]), -math.log(p[1]), -math.log(1 - p[2]), -math.log(1 - p[3])]
    assert found["val_loss"] == pytest.approx(sum(terms) / 4)
    assert found["accuracy"] == 0.5
    assert found["precision"] == 0.5
    assert found["recall"] == 0.5
    assert found["brier"] == pytest.approx(
        ((1 - p[0]) ** 2 + (1 - p[1]) ** 2 + p[2] ** 2 + p[3] ** 2) / 4
    )
    assert found["prediction_range"] == pytest.approx(max(p) - min(p))
    assert found["auc"] == 0.75
    assert found["collapsed"] is False


@pytest.mark.parametrize(
    ("logits", "collapsed"),
    [
        ([0.1, 0.2, 0.1, 0.15], True),
        ([-3.0, -0.1, -5.0, -2.0], True),
        ([3.0, 2.0, -3.0, 1.0], False),
    ],
)
def test_a_model_that_says_one_thing_or_never_yes_is_collapsed(
    logits: list[float], collapsed: bool
) -> None:
    found = label_metrics(torch.tensor(logits), torch.tensor([1.0, 1.0, 0.0, 0.0]))
    assert found["collapsed"] is collapsed


def test_calibration_error_is_the_weighted_gap_of_the_bins() -> None:
    probabilities = torch.tensor([0.05, 0.05, 0.95, 0.95], dtype=torch.float64)
    targets = torch.tensor([0.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    assert calibration_error(probabilities, targets) == pytest.approx(0.5 * 0.45 + 0.5 * 0.05)


def test_a_certain_prediction_has_a_bin() -> None:
    ones = torch.ones(3, dtype=torch.float64)
    assert calibration_error(ones, ones) == 0.0


def test_the_prior_loss_is_the_loss_of_the_rate() -> None:
    targets = torch.tensor([1.0, 0.0, 0.0, 0.0])
    logits = torch.full((4,), math.log(0.3 / 0.7))
    assert log_loss(0.3, targets) == pytest.approx(label_metrics(logits, targets)["val_loss"])


def test_logits_that_are_no_numbers_have_no_metrics() -> None:
    found = label_metrics(torch.tensor([math.nan, 1.0]), torch.tensor([1.0, 0.0]))
    assert list(found) == ["val_loss"]
    assert math.isnan(found["val_loss"])
