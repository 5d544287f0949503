"""Measures, calibration and the bootstrap, against slow definitions and simulated data."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hpo_script.families.language.n_gram import MAX_ORDER, n_gram_bits
from hpo_script.families.market.final_measures import (
    SIGNS,
    best_threshold,
    fit_temperature,
    label_measures,
    precision_recall,
    reliability,
    sigmoid,
)
from hpo_script.families.market.metrics import calibration_error, label_metrics
from hpo_script.final import bootstrap
from hpo_script.final.bootstrap import Gain, block_counts, compare
from hpo_script.final.report import gain_lines
from hpo_script.final.verdict import verdict_of


def sample(seed: int, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Return logits, some of them equal, and labels that follow them."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=n).round(1)
    return logits, (generator.random(n) < sigmoid(logits)).astype(float)


def test_measures_of_all_samples_are_those_of_the_search() -> None:
    logits, labels = sample(1)
    known = label_metrics(torch.tensor(logits), torch.tensor(labels))
    found = label_measures(logits, labels, np.ones((1, len(labels))))
    assert found["log loss"] == pytest.approx([known["val_loss"]])
    assert found["AUC"] == pytest.approx([known["auc"]])
    assert found["Brier score"] == pytest.approx([known["brier"]])


def test_measures_of_a_resample_are_those_of_its_samples() -> None:
    logits, labels = sample(2)
    (counts, *_) = block_counts(len(labels), np.random.default_rng(0), 20)
    found = label_measures(logits, labels, counts[:3])
    for row, drawn in enumerate(counts[:3].astype(int)):
        repeated = np.repeat(logits, drawn), np.repeat(labels, drawn)
        whole = label_measures(*repeated, np.ones((1, drawn.sum())))
        for measure in SIGNS:
            assert found[measure][row] == pytest.approx(whole[measure][0])


def test_a_resample_has_as_many_samples_as_the_split_in_blocks() -> None:
    (counts, *_) = block_counts(101, np.random.default_rng(0), 20)
    assert (counts.sum(1) == 101).all()
    in_blocks = (counts > 0) == (np.roll(counts, 1, axis=1) > 0)
    assert in_blocks.mean() > 0.9  # neighbours are drawn together


def test_the_temperature_undoes_a_scale() -> None:
    logits, labels = sample(3, 20_000)
    for factor in (0.5, 1.0, 3.0):
        assert fit_temperature(factor * logits, labels) == pytest.approx(factor, rel=0.1)


def test_the_threshold_has_the_highest_f1_score() -> None:
    logits, labels = sample(4)
    probabilities = sigmoid(logits)

    def f1(threshold: float) -> float:
        precision, recall = precision_recall(probabilities >= threshold, labels)
        return 2 * precision * recall / max(precision + recall, 1e-9)

    best = best_threshold(probabilities, labels)
    assert f1(best) == pytest.approx(max(map(f1, probabilities)))


def test_the_reliability_table_has_the_calibration_error() -> None:
    logits, labels = sample(5)
    rows = reliability(sigmoid(logits), labels)
    error = sum(row["samples"] * abs(row["predicted"] - row["observed"]) for row in rows)
    known = calibration_error(torch.tensor(sigmoid(logits)), torch.tensor(labels))
    assert error / len(labels) == pytest.approx(known)
    assert sum(row["samples"] for row in rows) == len(labels)


def test_intervals_cover_the_true_gain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "N_RESAMPLES", 300)
    generator, gain, covered = np.random.default_rng(6), 0.1, 0
    for _ in range(200):
        noise = generator.normal(size=(2, 820))
        both = np.stack([np.convolve(row, np.full(20, 20**-0.5), "valid") for row in noise])
        model, baseline = both[0, :800] - gain, both[0, :800] + 0.5 * both[1, :800]
        (found,) = compare(
            [model],
            {"it": baseline},
            lambda scores, counts: {"loss": counts @ scores / counts.sum(1)},
            {"loss": -1},
        )
        covered += found.low <= gain <= found.high
    assert covered >= 170  # of 200: with so few blocks, the percentiles are a little narrow


@pytest.mark.parametrize("longest", [20, 120, 1000])
def test_a_split_has_at_least_five_blocks(longest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "BLOCK_LENGTH", longest)
    for n in (3, 100, 754):
        length = bootstrap.block_length(n)
        assert length == longest or n // 6 < length <= max(1, n // 5)
        (counts, *_) = bootstrap.block_counts(n, np.random.default_rng(0), length)
        assert (counts.sum(1) == n).all()
        assert len(np.unique(counts, axis=0)) > 1


def test_the_noise_of_the_seeds_widens_an_interval() -> None:
    generator = np.random.default_rng(7)
    scores, shifts = generator.normal(size=500), (-0.5, 0.0, 0.5)

    def width(shifts: tuple[float, ...]) -> float:
        (found,) = compare(
            [scores + shift for shift in shifts],
            {"it": scores},
            lambda scores, counts: {"loss": counts @ scores / counts.sum(1)},
            {"loss": -1},
        )
        return found.high - found.low

    assert width((0.0, 0.0, 0.0)) == pytest.approx(0.0)
    assert width(shifts) > 0.5


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (0.02, 0.01, 0.03, "beats it by 0.0200 [0.0100, 0.0300]"),
        (0.02, 0.0, 0.03, "within noise of it"),
        (-0.02, -0.03, 0.0, "within noise of it"),
        (-0.02, -0.03, -0.01, "loses to it"),
        (float("nan"), float("nan"), float("nan"), "within noise of it"),
    ],
)
def test_a_verdict_follows_from_the_interval(
    value: float, low: float, high: float, verdict: str
) -> None:
    assert verdict_of(Gain("it", "AUC", value, low, high)) == verdict


@pytest.mark.parametrize(("low", "high"), [(0.01, 0.03), (-0.01, 0.03), (-0.03, -0.01)])
def test_a_report_has_each_gain_once(low: float, high: float) -> None:
    gain = Gain("what it sells by weight", "AUC", 0.02, low, high)
    found = [{**gain._asdict(), "verdict": verdict_of(gain)}]
    about = {"confidence": 0.95, "resamples": 9, "of": "9 groups"}
    (_, line) = gain_lines({"bootstrap": about, "comparisons": found})
    assert line.count("0.0200") == line.count("[") == 1
    assert line.endswith("what it sells by weight")


def test_the_probabilities_of_an_n_gram_add_up_to_one() -> None:
    train = b"the theory of the thing is that they thank the other three " * 3
    for context in (b"in the", b"zzzzzz", b"e thin"):
        bits = [n_gram_bits(train, context + bytes([byte])) for byte in range(256)]
        for order in range(MAX_ORDER + 1):
            total = sum(2.0 ** -found[order][0] for found in bits)
            assert total == pytest.approx(1.0)


def test_an_n_gram_learns_a_repeated_text() -> None:
    train = b"the theory of the thing is that they thank the other three " * 30
    bits = [found.mean() for found in n_gram_bits(train, train[:200])]
    assert bits[0] > 3.0
    assert bits[MAX_ORDER] < 0.3
