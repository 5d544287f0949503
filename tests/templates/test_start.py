"""The linear start: features without look-ahead, an exact fit, and a model that begins as it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch

from hpo_script.families.market import start_direction, start_threshold
from hpo_script.families.market.logistic import fit_logistic
from scripts import MARKET, changed, load_task, render_to

PARTS = pytest.mark.parametrize("part", [start_threshold, start_direction])


@PARTS
def test_a_later_row_never_changes_an_earlier_feature(part: ModuleType, sp500: Path) -> None:
    frame = pd.read_csv(sp500).iloc[:400]
    before = part.start_features(frame)
    for row in (100, 250, 399):
        later = frame.copy()
        later.loc[row:, ["High", "Close"]] *= [1.6, 1.5]
        after = part.start_features(later)
        np.testing.assert_array_equal(after[:row], before[:row])
        assert not np.allclose(after[row], before[row])


@PARTS
def test_features_do_not_depend_on_the_scale_of_prices(part: ModuleType, sp500: Path) -> None:
    frame = pd.read_csv(sp500).iloc[:400]
    scaled = frame.assign(**{name: frame[name] * 7 for name in ("Open", "High", "Low", "Close")})
    np.testing.assert_allclose(
        part.start_features(scaled), part.start_features(frame), rtol=1e-9, atol=1e-9
    )


@PARTS
def test_features_are_finite_where_a_price_does_not_move(part: ModuleType) -> None:
    frame = pd.DataFrame(dict.fromkeys(("Open", "High", "Low", "Close"), [5.0] * 60))
    assert np.isfinite(part.start_features(frame)).all()


def test_the_threshold_features_are_those_of_their_definition(sp500: Path) -> None:
    """Compare one row with plain Python."""
    frame = pd.read_csv(sp500).iloc[:300]
    row, usual = 200, 0.0
    ranges = np.log(frame["High"] / frame["Low"])
    weights = [(1 - 2 / 11) ** (row - i) for i in range(row + 1)]
    usual = sum(w * r for w, r in zip(weights, ranges, strict=False)) / sum(weights) + 1e-6
    close = frame["Close"][row]
    highest = [max(frame["High"][row - days + 1 : row + 1]) for days in (5, 22)]
    expected = [np.log(usual), *(np.log(high / close) / usual for high in highest)]
    np.testing.assert_allclose(start_threshold.start_features(frame)[row], expected, rtol=1e-9)


def test_the_fit_is_the_minimum_of_the_penalised_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(500, 3, generator=generator, dtype=torch.float64)
    logits = features @ torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64) - 0.7
    labels = (torch.rand(500, generator=generator) < torch.sigmoid(logits)).double()
    weights = fit_logistic(features, labels).requires_grad_()
    x = torch.cat([features, torch.ones(500, 1)], 1)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        x @ weights, labels, reduction="sum"
    )
    (gradient,) = torch.autograd.grad(loss + weights.square().sum() / 2, weights)
    assert gradient.abs().max() < 1e-9


@pytest.mark.parametrize("inputs", ["scale_free", "revin", "revin_stats", "zscore"])
@pytest.mark.parametrize("task", ["threshold_1pct", "direction"])
def test_an_untrained_model_predicts_what_the_regression_predicts(
    inputs: str, task: str, sp500: Path
) -> None:
    config = changed(MARKET, options={"inputs": inputs}, task=task)
    names, loaded = load_task(render_to(sp500.parent, config))
    model = loaded.build_model(names["ARCHITECTURES"][0], 0.1).eval()
    with torch.inference_mode():
        metrics = loaded.evaluate(model, 256)
    linear = loaded.baselines()["linear start"]
    assert metrics["val_loss"] == pytest.approx(linear["val_loss"], rel=1e-5)
    assert metrics["auc"] == pytest.approx(linear["auc"], rel=1e-4)


def test_training_moves_both_the_start_and_the_model(sp500: Path) -> None:
    names, task = load_task(render_to(sp500.parent, MARKET))
    config = {**names["FIXED_PARAMS"], "learning_rate": 1e-3, "dropout": 0.0}
    arch, device = names["ARCHITECTURES"][0], torch.device("cpu")
    training = names["Training"](task, arch, config, (0, 0), device)
    before = {name: value.clone() for name, value in training.model.state_dict().items()}
    next(names["train"](training, micro_batch=256, after_batch=lambda _share: None))
    after = training.model.state_dict()
    for name in ("start.weight", "start.bias", "model.head.weight", "model.embed.weight"):
        assert not torch.equal(before[name], after[name])


def test_the_linear_start_beats_the_single_feature_on_real_prices(sp500: Path) -> None:
    _, task = load_task(render_to(sp500.parent, MARKET))
    baselines = task.baselines()
    assert baselines["daily range"]["auc"] == pytest.approx(0.748, abs=0.001)
    assert baselines["linear start"]["auc"] == pytest.approx(0.799, abs=0.001)
    assert baselines["linear start"]["val_loss"] == pytest.approx(0.364, abs=0.001)
