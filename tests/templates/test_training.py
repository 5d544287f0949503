"""Training: exact accumulation, losses, schedule, early stopping, random streams, resuming."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpo_script.experiment.optimizer_and_schedule import learning_rate
from hpo_script.experiment.training import stops_early, stream_seed
from hpo_script.families.market.losses import bce, focal, soft_auc, weighted_bce
from hpo_script.machinery.checkpoint import Checkpoint
from scripts import MARKET, TEXT, changed, curve_of, load_task, render_to

CPU = torch.device("cpu")
LOSSES = ["bce", "weighted_bce", "focal", "soft_auc"]


def gradients(
    names: dict[str, Any], task: Any, batch: torch.Tensor, micro_batch: int
) -> tuple[float, torch.Tensor]:
    """Return loss and the gradient of all weights, in double precision."""
    torch.manual_seed(1)
    model = task.build_model(names["ARCHITECTURES"][0], 0.0).double().train()
    config = names["FIXED_PARAMS"]
    loss = names["accumulate"](model, task, batch, config, micro_batch)
    return float(loss), torch.cat([p.grad.flatten() for p in model.parameters()])


@pytest.mark.parametrize("loss", LOSSES)
def test_accumulated_gradients_are_those_of_the_whole_batch(
    loss: str, sp500: Path, tmp_path: Path
) -> None:
    names, task = load_task(render_to(tmp_path, changed(MARKET, fixed={"loss": loss})))
    task.windows, task.labels = task.windows.double(), task.labels.double()
    task.loss = lambda outputs, targets, config: names[f"{loss}_loss"](
        outputs, targets, train_rate=task.train_rate, config=config
    )
    batch = task.train_days[-50:]
    whole, expected = gradients(names, task, batch, 50)
    assert expected.abs().max() > 0
    for micro_batch in (1, 7, 16):
        part, found = gradients(names, task, batch, micro_batch)
        assert part == pytest.approx(whole, rel=1e-6)
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_a_loss_over_pairs_sees_the_same_dropout_in_both_passes(
    sp500: Path, tmp_path: Path
) -> None:
    names, task = load_task(render_to(tmp_path, changed(MARKET, fixed={"loss": "soft_auc"})))
    seen: list[torch.Tensor] = []
    torch.manual_seed(0)
    model = task.build_model(names["ARCHITECTURES"][0], 0.5).train()
    model.register_forward_hook(lambda _model, _inputs, output: seen.append(output.detach()))
    batch, config = task.train_days[:20], names["FIXED_PARAMS"]
    names["accumulate"](model, task, batch, config, 10)
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], seen[3])
    assert not torch.equal(seen[0], seen[1])


def test_language_model_gradients_accumulate_exactly(text: Path, tmp_path: Path) -> None:
    names, task = load_task(render_to(tmp_path, TEXT))
    batch = torch.arange(0, 70, 7)
    whole, expected = gradients(names, task, batch, 10)
    part, found = gradients(names, task, batch, 3)
    assert part == pytest.approx(whole, rel=1e-5)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


CONFIG = {"class_balance": 1.0, "focal_gamma": 2.0, "focal_alpha": 0.25, "auc_gamma": 2.0}
LOGITS = torch.tensor([1.5, -0.3, 0.2, -2.0], dtype=torch.float64)
TARGETS = torch.tensor([1.0, 1.0, 0.0, 0.0], dtype=torch.float64)


def test_bce_is_the_mean_log_loss() -> None:
    p = torch.sigmoid(LOGITS)
    expected = -(TARGETS * p.log() + (1 - TARGETS) * (1 - p).log()).mean()
    torch.testing.assert_close(
        bce.bce_loss(LOGITS, TARGETS, train_rate=0.2, config=CONFIG), expected
    )


def test_weighted_bce_gives_both_classes_the_same_weight() -> None:
    rate = 0.2
    p = torch.sigmoid(LOGITS)
    expected = -(4.0 * TARGETS * p.log() + (1 - TARGETS) * (1 - p).log()).mean()
    found = weighted_bce.weighted_bce_loss(LOGITS, TARGETS, train_rate=rate, config=CONFIG)
    torch.testing.assert_close(found, expected)
    plain = weighted_bce.weighted_bce_loss(
        LOGITS, TARGETS, train_rate=rate, config={"class_balance": 0.0}
    )
    torch.testing.assert_close(plain, F.binary_cross_entropy_with_logits(LOGITS, TARGETS))


def test_focal_loss_weighs_easy_samples_down() -> None:
    p = torch.sigmoid(LOGITS)
    p_true = torch.where(TARGETS > 0, p, 1 - p)
    alpha = torch.where(TARGETS > 0, 0.25, 0.75)
    expected = (alpha * (1 - p_true) ** 2 * -p_true.log()).mean()
    found = focal.focal_loss(LOGITS, TARGETS, train_rate=0.2, config=CONFIG)
    torch.testing.assert_close(found, expected.double())


def test_soft_auc_counts_smooth_pairs() -> None:
    gaps = [1.5 - 0.2, 1.5 + 2.0, -0.3 - 0.2, -0.3 + 2.0]
    expected = sum(math.log1p(math.exp(-2 * gap)) / 2 for gap in gaps) / 4
    found = soft_auc.soft_auc_loss(LOGITS, TARGETS, train_rate=0.2, config=CONFIG)
    assert float(found) == pytest.approx(expected)


def test_a_batch_without_pairs_has_a_loss_without_gradient() -> None:
    logits = LOGITS.clone().requires_grad_()
    loss = soft_auc.soft_auc_loss(logits, torch.ones(4), train_rate=0.2, config=CONFIG)
    loss.backward()
    assert logits.grad is not None
    assert float(loss.detach()) == float(logits.grad.abs().sum()) == 0.0


SCHEDULE = {"learning_rate": 1e-3, "warmup_steps": 10, "min_lr_ratio": 0.1}


def test_the_rate_warms_up_in_a_line_and_falls_along_a_cosine() -> None:
    rates = [learning_rate(step, 110, SCHEDULE) for step in range(111)]
    assert rates[:10] == pytest.approx([1e-4 * (step + 1) for step in range(10)])
    assert rates[10] == pytest.approx(1e-3)
    assert rates[60] == pytest.approx(1e-3 * (0.1 + 0.9 * 0.5))
    assert rates[110] == pytest.approx(1e-4)
    assert all(a > b for a, b in pairwise(rates[10:]))


def test_a_training_shorter_than_its_warm_up_only_warms_up() -> None:
    assert learning_rate(4, 5, SCHEDULE) == pytest.approx(5e-4)


def test_a_gain_is_one_above_min_delta_over_the_last_mark() -> None:
    values = [1.0, 0.95, 0.85, 0.8, 0.78]
    for patience, ends in ((1, [0, 1, 0, 1, 1]), (2, [0, 0, 0, 0, 1]), (3, [0] * 5)):
        config = {"patience": patience, "min_delta": 0.1}
        assert [stops_early(values[: n + 1], config) for n in range(5)] == list(map(bool, ends))


def test_streams_differ_by_every_part_of_their_key() -> None:
    keys = [(42, 0, 1, "a"), (43, 0, 1, "a"), (42, 1, 1, "a"), (42, 0, 2, "a"), (42, 0, 1, "b")]
    seeds = {stream_seed(*key) for key in keys}
    assert len(seeds) == len(keys)
    assert stream_seed(42, 0, 1, "a") == stream_seed(42, 0, 1, "a")
    assert stream_seed(1, 23) != stream_seed(12, 3)


@pytest.mark.parametrize("family", ["market", "text"])
def test_a_training_repeats_to_the_bit_and_its_key_changes_it(
    family: str, sp500: Path, text: Path, tmp_path: Path
) -> None:
    names, task = load_task(render_to(tmp_path, MARKET if family == "market" else TEXT))
    first = curve_of(names, task)
    torch.rand(5)  # an earlier trial must not matter
    assert curve_of(names, task) == first
    assert curve_of(names, task, key=(42, 1)) != first
    assert curve_of(names, task, key=(43, 0)) != first
    assert len(first) == 2


SHORT = {
    "market": changed(
        MARKET,
        splits={"train_subset": 0.1},
        data={"feature_columns": ["Close"]},
        fixed={"batch_size": 64, "epochs": 3, "dropout": 0.2},
        search={"dropout": None},
    ),
    "text": changed(TEXT, fixed={"steps": 18, "eval_interval": 5, "dropout": 0.2}),
}
BATCHES = 18


class PausedError(Exception):
    """A training was paused."""


class Resumed:
    """A training of a rendered script, paused after some batches and resumed."""

    def __init__(self, script: Path) -> None:
        self.names, self.task = load_task(script)
        self.file = Checkpoint(script.with_name("trial.pt"), "key", minutes=0)
        self.stream: torch.Tensor | None = None  # saved instead of the real one
        self.whole = self.train([])

    def train(self, pauses: list[int]) -> tuple[list[Any], dict[str, Any], int]:
        """Return the curve, the weights, and how many batches were trained in all."""
        config = {**self.names["FIXED_PARAMS"], "learning_rate": 0.003}
        arch = self.names["ARCHITECTURES"][-1]
        curve: list[dict[str, Any]] = []
        n_batches = 0

        def after_batch(_share: float) -> None:
            nonlocal n_batches
            n_batches += 1
            if n_batches in pauses:
                stream = {} if self.stream is None else {"stream": self.stream}
                self.file.save({**training.state(), **stream, "curve": curve})
                raise PausedError

        self.file.remove()
        while True:
            saved = self.file.load()
            curve = [] if saved is None else saved["curve"]
            torch.rand(7)  # an earlier trial must not matter
            training = self.names["Training"](self.task, arch, config, (42, 3), CPU)
            if saved:
                training.restore(saved)
            try:  # 64 samples are two micro-batches
                train = self.names["train"](training, micro_batch=48, after_batch=after_batch)
                for point in train:
                    curve.append(point)
            except PausedError:
                continue
            return curve, training.model.state_dict(), n_batches


@pytest.fixture(params=["market", "text"])
def resumed(request: pytest.FixtureRequest, sp500: Path, text: Path, tmp_path: Path) -> Resumed:
    """Return a training of each family."""
    return Resumed(render_to(tmp_path, SHORT[request.param]))


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, BATCHES), min_size=1, max_size=3, unique=True))
def test_a_training_resumed_after_any_batch_equals_one_without_a_pause(
    resumed: Resumed, pauses: list[int]
) -> None:
    curve, weights, batches = resumed.whole
    again, found, batches_again = resumed.train(pauses)

    assert batches == batches_again == BATCHES
    assert len(curve) >= 3
    assert again == curve
    assert all(torch.equal(found[name], weights[name]) for name in weights)


def test_a_state_without_its_random_stream_gives_another_training(
    sp500: Path, tmp_path: Path
) -> None:
    resumed = Resumed(render_to(tmp_path, SHORT["market"]))
    resumed.stream = torch.random.manual_seed(1).get_state()

    assert resumed.train([4])[0] != resumed.whole[0]
