"""Training: exact accumulation, the losses' definitions, the schedule, early stopping."""

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

from hpo_script.checkpoint import Checkpoint
from hpo_script.device import bytes_per_sample, fitting_micro_batch
from hpo_script.experiment import Round
from hpo_script.losses import bce, focal, soft_auc, weighted_bce
from hpo_script.search import prunable_from
from hpo_script.streams import stream_seed
from hpo_script.training import learning_rate, since_last_gain
from scripts import MARKET, TEXT, changed, load, render_to

CPU = torch.device("cpu")
LOSSES = ["bce", "weighted_bce", "focal", "soft_auc"]


def gradients(
    names: dict[str, Any], task: Any, batch: torch.Tensor, micro_batch: int, dropout: float = 0.0
) -> tuple[float, torch.Tensor]:
    """Return loss and the gradient of all weights, in double precision."""
    torch.manual_seed(1)
    model = task.build_model(names["ARCHITECTURES"][0], dropout).double().train()
    torch.manual_seed(2)
    loss = names["accumulate"](
        model, task, batch, config=names["FIXED_PARAMS"], micro_batch=micro_batch
    )
    return float(loss), torch.cat([p.grad.flatten() for p in model.parameters()])


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("micro_batch", [1, 7, 16, 50])
def test_accumulated_gradients_are_those_of_the_whole_batch(
    loss: str, micro_batch: int, sp500: Path, tmp_path: Path
) -> None:
    names = load(render_to(tmp_path, changed(MARKET, fixed={"loss": loss})))
    task = names["make_task"](str(sp500))
    task.load(CPU)
    task.windows, task.labels = task.windows.double(), task.labels.double()
    task.loss = lambda outputs, targets, config: names[f"{loss}_loss"](
        outputs, targets, train_rate=task.train_rate, config=config
    )
    batch = task.train_index[-50:]
    whole, expected = gradients(names, task, batch, 50)
    part, found = gradients(names, task, batch, micro_batch)
    assert part == pytest.approx(whole, rel=1e-6)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)
    assert expected.abs().max() > 0


def test_a_loss_over_pairs_sees_the_same_dropout_in_both_passes(
    sp500: Path, tmp_path: Path
) -> None:
    names = load(render_to(tmp_path, changed(MARKET, fixed={"loss": "soft_auc"})))
    task = names["make_task"](str(sp500))
    task.load(CPU)
    seen: list[torch.Tensor] = []
    torch.manual_seed(0)
    model = task.build_model(names["ARCHITECTURES"][0], 0.5).train()
    model.register_forward_hook(lambda _model, _inputs, output: seen.append(output.detach()))
    names["accumulate"](
        model, task, task.train_index[:20], config=names["FIXED_PARAMS"], micro_batch=10
    )
    assert torch.equal(seen[0], seen[2])
    assert torch.equal(seen[1], seen[3])
    assert not torch.equal(seen[0], seen[1])


def test_language_model_gradients_accumulate_exactly(text: Path, tmp_path: Path) -> None:
    names = load(render_to(tmp_path, TEXT))
    task = names["make_task"](str(text))
    task.load(CPU)
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
    waited = [since_last_gain(values[: n + 1], min_delta=0.1) for n in range(len(values))]
    assert waited == [0, 1, 0, 1, 2]


@pytest.mark.parametrize(
    ("epochs", "warmup_steps", "first"),
    [(50, 0, 10), (100, 0, 20), (50, 100, 10), (100, 500, 36), (50, 10_000, math.inf)],
)
def test_no_trial_is_pruned_in_its_first_fifth_or_while_its_rate_warms_up(
    epochs: int, warmup_steps: int, first: float
) -> None:
    rounds = [Round(epoch, 14) for epoch in range(1, epochs + 1)]
    config = {"prune_from": 0.2, "warmup_steps": warmup_steps}
    assert prunable_from(rounds, config) == first


def test_streams_differ_by_every_part_of_their_key() -> None:
    keys = [(42, 0, 1, "a"), (43, 0, 1, "a"), (42, 1, 1, "a"), (42, 0, 2, "a"), (42, 0, 1, "b")]
    seeds = {stream_seed(*key) for key in keys}
    assert len(seeds) == len(keys)
    assert stream_seed(42, 0, 1, "a") == stream_seed(42, 0, 1, "a")
    assert stream_seed(1, 23) != stream_seed(12, 3)


@given(st.integers(1, 10**10), st.integers(1, 10**9), st.integers(0, 10**12), st.integers(1, 4096))
def test_a_micro_batch_fits_and_twice_as_much_does_not(
    n_params: int, sample_bytes: int, free: int, batch_size: int
) -> None:
    found = fitting_micro_batch(n_params, sample_bytes, free, batch_size)
    room = int(free * 0.92) - 16 * n_params
    assert 0 <= found <= batch_size
    if found == 0:
        assert room < sample_bytes
    else:
        assert found * sample_bytes <= room
        assert found == batch_size or 2 * found * sample_bytes > room


def saved_by_formula(row: dict[str, int], tokens: int, inputs: int) -> float:
    """Return what one sample of a plain encoder must keep, counted tensor by tensor in fp32."""
    d, d_ff, heads = row["d_model"], row["d_ff"], row["n_heads"]
    block = 9 * d + 2 * d_ff + 2 * heads * tokens
    return 4 * tokens * (row["n_layers"] * block + inputs)


def test_memory_per_sample_is_close_to_a_count_by_hand(sp500: Path, tmp_path: Path) -> None:
    names = load(render_to(tmp_path, MARKET))
    task = names["make_task"](str(sp500))
    task.load(CPU)
    for row in names["ARCHITECTURES"]:
        with torch.device("meta"):
            model = task.build_model(row, 0.1)
        by_hand = saved_by_formula(row, 11, 72)
        assert bytes_per_sample(task, model) == pytest.approx(by_hand, rel=0.35)


@pytest.mark.parametrize("name", ["market", "text"])
def test_a_training_repeats_to_the_bit_and_the_trial_number_changes_it(
    name: str, sp500: Path, text: Path, tmp_path: Path
) -> None:
    config, data = (MARKET, sp500) if name == "market" else (TEXT, text)
    names = load(render_to(tmp_path, config))
    task = names["make_task"](str(data))
    task.load(CPU)
    params = {**names["FIXED_PARAMS"], "learning_rate": 0.003, "dropout": 0.2}

    def curve(seed: int, number: int, micro_batch: int = 256) -> list[dict[str, Any]]:
        torch.rand(number + 5)  # what ran before must not matter
        return list(
            names["train"](
                task,
                names["ARCHITECTURES"][0],
                params,
                key=(seed, number),
                device=CPU,
                micro_batch=micro_batch,
                after_batch=lambda _training, _share: None,
            )
        )

    first = curve(42, 0)
    assert curve(42, 0) == first
    assert curve(42, 1) != first
    assert curve(43, 0) != first
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


class PutAwayError(Exception):
    """A training was put away."""


class Resumed:
    """A training of a rendered script, put away after some batches and taken up again."""

    def __init__(self, script: Path, data: Path) -> None:
        self.names = load(script)
        self.task = self.names["make_task"](str(data))
        self.task.load(CPU)
        self.file = Checkpoint(script.with_name("trial.pt"), "key", minutes=0)
        self.whole = self.train([])

    def train(self, stops: list[int]) -> tuple[list[Any], dict[str, Any], int]:
        """Return the curve, the weights, and how many batches were trained in all."""
        params = {**self.names["FIXED_PARAMS"], "learning_rate": 0.003}
        curve: list[dict[str, Any]] = []
        counts = [0, 0]  # batches trained, and those after which it was put away
        last: list[Any] = []

        def after_batch(training: Any, _share: float) -> None:
            counts[0] += 1
            last[:] = [training]
            if counts[0] in stops:
                self.file.save({**training.state(), "curve": curve})
                raise PutAwayError

        self.file.remove()
        while True:
            saved = self.file.load()
            curve = [] if saved is None else saved["curve"]
            torch.rand(7)  # what ran before must not matter
            try:
                for point in self.names["train"](
                    self.task,
                    self.names["ARCHITECTURES"][-1],
                    params,
                    key=(42, 3),
                    device=CPU,
                    micro_batch=48,  # 64 are two
                    after_batch=after_batch,
                    resume=saved,
                ):
                    curve.append(point)
            except PutAwayError:
                continue
            return curve, last[0].model.state_dict(), counts[0]


@pytest.fixture(params=["market", "text"])
def resumed(request: pytest.FixtureRequest, sp500: Path, text: Path, tmp_path: Path) -> Resumed:
    """Return a training of each family."""
    data = sp500 if request.param == "market" else text
    return Resumed(render_to(tmp_path, SHORT[request.param]), data)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, BATCHES), min_size=1, max_size=3, unique=True))
def test_a_training_taken_up_after_any_batch_is_the_one_that_was_never_put_away(
    resumed: Resumed, stops: list[int]
) -> None:
    curve, weights, batches = resumed.whole
    again, found, batches_again = resumed.train(stops)

    assert batches == batches_again == BATCHES
    assert len(curve) >= 3
    assert again == curve
    assert all(torch.equal(found[name], weights[name]) for name in weights)


def test_a_state_without_its_random_stream_gives_another_training(
    sp500: Path, tmp_path: Path
) -> None:
    resumed = Resumed(render_to(tmp_path, SHORT["market"]), sp500)
    save = resumed.file.save
    resumed.file.save = lambda state: save(  # type: ignore[method-assign]
        {**state, "stream": torch.random.manual_seed(1).get_state()}
    )

    assert resumed.train([4])[0] != resumed.whole[0]
