"""Training of the text families: augmentation, optimizers and schedules each change the run."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hpo_script.families.text.augment import swapped
from hpo_script.families.text.bytes import augmented as augmented_bytes
from hpo_script.families.text.bytes import text_tokens
from hpo_script.families.text.learning_rate import learning_rate
from hpo_script.families.text.model import HIDDEN, PADDING
from hpo_script.families.text.schedules import SCHEDULES
from hpo_script.families.text.spans.examples import SpanExample
from hpo_script.families.text.spans.word_buckets import HIDDEN as HIDDEN_WORD
from hpo_script.families.text.spans.word_buckets import PADDING as NO_WORD
from hpo_script.families.text.spans.word_inputs import augmented as augmented_words
from hpo_script.families.text.spans.word_inputs import encode_all
from scripts import LABELS, SPANS, changed, curve_of, load_task, render_to

NO_RATES = {"token_dropout": 0.0, "token_swap": 0.0, "char_noise": 0.0}
TEXTS = ["A short text.", "Another text, a little longer: ünï 😀", "x"]
ONE = SpanExample("Which file?", "You find it in the file COPYING of each folder", 24, 31, "")


def generator() -> torch.Generator:
    """Return a generator that always draws the same."""
    return torch.Generator().manual_seed(0)


def words() -> tuple[Tensor, Tensor, int]:
    """Return buckets and positions of ONE, and where its text begins."""
    inputs, places, targets = encode_all([ONE] * 50, torch.device("cpu"))
    return inputs, targets, int(places[0, :, 1].bool().nonzero()[0])


def test_a_smoke_run_without_a_text_of_some_label_has_baselines(tmp_path: Path) -> None:
    rows = [f"word {n} {'yn'[n % 2]},{'yn'[n % 2]}" for n in range(1800)]
    rows[:40] = [f"rare {n},rare" for n in range(40)]
    (tmp_path / "notices.csv").write_text("\n".join(["text,label", *rows]))
    config = changed(LABELS, data={"labels": ["n", "rare", "y"]}, splits={"group_column": None})
    _, task = load_task(render_to(tmp_path, config))
    task.limit_for_smoke()
    task.train = task.train[task.labels[task.train] != 1]
    for metrics in task.baselines().values():
        assert all(map(math.isfinite, metrics.values()))


def test_without_rates_a_text_stays_as_it_is() -> None:
    tokens = text_tokens(TEXTS).int()
    assert torch.equal(augmented_bytes(tokens, NO_RATES, generator()), tokens)
    buckets, targets, _ = words()
    assert torch.equal(augmented_words(buckets, targets, NO_RATES, generator()), buckets)


@pytest.mark.parametrize("rate", NO_RATES)
def test_each_rate_changes_bytes_of_the_text_alone(rate: str) -> None:
    tokens = text_tokens(TEXTS * 20).int()
    config = {**NO_RATES, rate: 0.3}
    found = augmented_bytes(tokens, config, generator())
    assert torch.equal(found, augmented_bytes(tokens, config, generator()))
    assert torch.equal(found == PADDING, tokens == PADDING)
    share = float((found != tokens)[tokens != PADDING].float().mean())
    assert 0.1 < share < 0.5
    assert bool((found == HIDDEN).any()) == (rate == "token_dropout")
    if rate == "token_swap":
        assert torch.equal(found.sort(1).values, tokens.sort(1).values)


@pytest.mark.parametrize("rate", NO_RATES)
def test_each_rate_changes_words_of_the_text_alone(rate: str) -> None:
    buckets, targets, first = words()
    found = augmented_words(buckets, targets, {**NO_RATES, rate: 0.3}, generator())
    assert torch.equal(found[:, :first], buckets[:, :first])
    assert torch.equal(found[:, :, 0] == NO_WORD, buckets[:, :, 0] == NO_WORD)
    n_changed = (found != buckets).any(2).sum(1).float()
    assert 1 < float(n_changed.mean()) < 6
    assert bool((found == HIDDEN_WORD).any()) == (rate == "token_dropout")
    if rate == "char_noise":
        assert torch.equal(found[:, :, 1:], buckets[:, :, 1:])


def test_an_exchange_leaves_the_answer_in_its_place() -> None:
    buckets, targets, first = words()
    found = augmented_words(buckets, targets, {**NO_RATES, "token_swap": 0.9}, generator())
    answer = int(targets[0, 0])
    assert torch.equal(found[:, answer], buckets[:, answer])
    assert not torch.equal(found[:, first:answer], buckets[:, first:answer])
    assert not torch.equal(found[:, answer + 1 :], buckets[:, answer + 1 :])


def test_of_two_chosen_neighbours_the_first_is_exchanged() -> None:
    tokens = torch.arange(6).unsqueeze(0)
    chosen = torch.tensor([[True, True, False, True, False, True]])
    assert swapped(tokens, chosen).tolist() == [[1, 0, 2, 4, 3, 5]]


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_starts_at_the_peak_and_ends_at_its_floor(name: str) -> None:
    config = {
        "learning_rate": 0.01,
        "warmup_steps": 10,
        "min_lr_ratio": 0.1,
        "schedule": name,
        "schedule_power": 2.0,
    }
    rates = [learning_rate(step, 110, config) for step in range(111)]
    assert rates[0] == pytest.approx(0.001)
    assert rates[10] == pytest.approx(0.01)
    assert rates[110] == pytest.approx(0.01 if name == "constant" else 0.001)
    assert all(after <= before for before, after in pairwise(rates[10:]))


def test_the_schedules_differ_half_way() -> None:
    config = {"min_lr_ratio": 0.0, "schedule_power": 2.0}
    found = {name: schedule(0.25, config) for name, schedule in SCHEDULES.items()}
    assert found["linear"] == 0.75
    assert found["polynomial"] == 0.75**2
    assert found["constant"] == 1.0
    assert len({*found.values()}) == 4


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[dict[str, Any], Any]]:
    """Return names and task of a script of each family that may use everything."""
    folder = tmp_path_factory.mktemp("texts")
    lines = [f"see {w} {n} now,{w}" for n in range(40) for w in ("mit", "apache-2.0")]
    (folder / "notices.csv").write_text("text,label\n" + "\n".join(lines))
    rows = [f"file,see F{n} in {w},4,{5 + len(str(n))}" for n in range(40) for w in ("a", "b")]
    (folder / "spans.csv").write_text("question,text,start,end\n" + "\n".join(rows))
    search = {
        "optimizer": {"type": "categorical", "choices": ["adamw", "adafactor"]},
        "schedule": {"type": "categorical", "choices": list(SCHEDULES)},
    }
    steps = {**NO_RATES, "batch_size": 16, "warmup_steps": 2}
    small = {"splits": {"group_column": None}, "search": search, "fixed": steps}
    spans = changed(SPANS, **small)
    spans["splits"]["min_answers"] = 5
    bases = {"text": changed(LABELS, **small), "spans": spans}
    return {name: load_task(render_to(folder, config)) for name, config in bases.items()}


@pytest.mark.parametrize("family", ["spans", pytest.param("text", marks=pytest.mark.slow)])
def test_every_choice_of_the_training_changes_the_curve(
    family: str, scripts: dict[str, tuple[dict[str, Any], Any]]
) -> None:
    names, task = scripts[family]
    more = {"beta1": 0.9, "beta2": 0.999, "beta2_decay": -0.8, "min_lr_ratio": 0.1}
    base = {**more, "schedule_power": 2.0, "optimizer": "adamw", "schedule": "cosine"}
    changes: list[dict[str, Any]] = [{}, {"optimizer": "adafactor"}]
    changes += [{"optimizer": "adafactor", "beta2_decay": -0.5}]
    changes += [{"schedule": name} for name in ("linear", "constant", "polynomial")]
    changes += [{"schedule": "polynomial", "schedule_power": 3.0}, {"min_lr_ratio": 0.5}]
    changes += [{name: 0.3} for name in NO_RATES]
    curves = [curve_of(names, task, **{**base, **change}) for change in changes]
    losses = [tuple(point["train_loss"] for point in curve) for curve in curves]
    assert len({*losses}) == len(losses)


@pytest.mark.parametrize("family", ["text", "spans"])
def test_the_batches_of_an_epoch_depend_on_its_seed_alone(
    family: str, scripts: dict[str, tuple[dict[str, Any], Any]]
) -> None:
    names, task = scripts[family]
    config = {**names["FIXED_PARAMS"], "token_dropout": 0.2, "char_noise": 0.2, "token_swap": 0.2}
    first, again, other = (task.batches(config, None, seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    assert sum(len(batch) for batch in first) == len(task.train)
