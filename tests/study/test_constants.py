"""Nothing is decorative: each constant and each parameter changes what is trained or recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts import MARKET, TEXT, changed, curve_of, edit, load_task, render_to


@pytest.fixture
def market(sp500: Path, tmp_path: Path) -> Callable[..., tuple[dict[str, Any], Any]]:
    """Return a function that loads the task of an edited script."""

    def make(*edits: tuple[str, str], **changes: Any) -> tuple[dict[str, Any], Any]:
        return load_task(edit(render_to(tmp_path, changed(MARKET, **changes)), *edits))

    return make


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ("HORIZON = 1 ", "HORIZON = 3 ", "labels"),
        ('TASK = "threshold_1pct"', 'TASK = "threshold_0.5pct"', "labels"),
        ("TRAIN_FRACTION = 0.7 ", "TRAIN_FRACTION = 0.6 ", "train_days"),
        ("VAL_FRACTION = 0.15 ", "VAL_FRACTION = 0.1 ", "val_days"),
        ("MAX_CONTEXT_LENGTH = 60 ", "MAX_CONTEXT_LENGTH = 90 ", "train_days"),
        ("\nCONTEXT_LENGTH = 60 ", "\nCONTEXT_LENGTH = 30 ", "windows"),
        (
            'FEATURE_COLUMNS = ["Open", "High", "Low", "Close", "Adj Close", "Volume"]',
            'FEATURE_COLUMNS = ["Open", "Close"]',
            "windows",
        ),
        ("TRAIN_END: str | None = None ", 'TRAIN_END: str | None = "2008-01-02" ', "train_days"),
        ("VAL_END: str | None = None ", 'VAL_END: str | None = "2012-01-03" ', "val_days"),
    ],
)
def test_a_constant_of_the_data_changes_the_data(
    market: Callable[..., Any], old: str, new: str, differs: str
) -> None:
    ends = (("TRAIN_END: str | None", "2009-12-31"), ("VAL_END: str | None", "2013-12-31"))
    explicit = [(f"{name} = None ", f'{name} = "{day}" ') for name, day in ends]
    base = explicit if "_END" in old else []
    _, one = market(*base)
    edits = [(old, new) if before == old else (before, after) for before, after in base]
    _, two = market(*(edits or [(old, new)]))
    first, second = getattr(one, differs), getattr(two, differs)
    assert first.shape != second.shape or not torch.equal(
        torch.nan_to_num(first), torch.nan_to_num(second)
    )


def test_the_data_path_is_the_file_that_is_read(
    market: Callable[..., Any], sp500: Path, tmp_path: Path
) -> None:
    lines = sp500.read_text().splitlines(keepends=True)
    (tmp_path / "other.csv").write_text("".join(lines[:3000]))
    _, one = market()
    _, two = market(('DATA_PATH = "sp500.csv"', 'DATA_PATH = "other.csv"'))
    assert len(one.frame) > len(two.frame)
    assert two.describe()["data"].endswith("other.csv")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("PATCH_LENGTH = 10 ", "PATCH_LENGTH = 12 "),
        ("STRIDE = 5 ", "STRIDE = 10 "),
        ("\nCONTEXT_LENGTH = 60 ", "\nCONTEXT_LENGTH = 30 "),
    ],
)
def test_a_constant_of_the_model_changes_the_model(
    market: Callable[..., Any], old: str, new: str
) -> None:
    def shapes(*edits: tuple[str, str]) -> list[torch.Size]:
        names, task = market(*edits)
        model = task.build_model(names["ARCHITECTURES"][0], 0.1)
        return [parameter.shape for parameter in model.parameters()]

    assert shapes() != shapes((old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("MIN_VAL_SAMPLES = 100 ", "MIN_VAL_SAMPLES = 1000 "),
        ("MIN_CLASS_SAMPLES = 10 ", "MIN_CLASS_SAMPLES = 200 "),
    ],
)
def test_a_least_size_refuses_what_is_smaller(
    market: Callable[..., Any], old: str, new: str
) -> None:
    market()
    with pytest.raises(Exception, match="MIN_CLASS_SAMPLES"):
        market((old, new))


SMALL = changed(
    MARKET,
    splits={"train_subset": 0.1},
    data={"feature_columns": ["Close"]},
    fixed={"batch_size": 64, "warmup_steps": 2},
)


def test_a_parameter_changes_the_training(sp500: Path, tmp_path: Path) -> None:
    names, task = load_task(render_to(tmp_path, SMALL))
    base = curve_of(names, task)
    changes = {
        "learning_rate": 0.001,
        "weight_decay": 0.5,
        "dropout": 0.0,
        "warmup_steps": 5,
        "batch_size": 32,
        "clip_norm": 0.01,
        "beta1": 0.5,
        "beta2": 0.9,
        "min_lr_ratio": 1.0,
        "epochs": 3,
    }
    for name, value in changes.items():
        found = curve_of(names, task, **{name: value})
        assert found != base, name
        assert len(found) == (3 if name == "epochs" else 2)
    assert changes.keys() | {"patience", "prune_from", "min_delta", "loss"} == {
        *names["FIXED_PARAMS"], *names["SEARCH_SPACE"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("loss", "changes"),
    [
        ("weighted_bce", {"class_balance": 0.5}),
        ("focal", {"focal_gamma": 1.0, "focal_alpha": 0.5}),
        ("soft_auc", {"auc_gamma": 5.0}),
    ],
)
def test_a_parameter_of_a_loss_changes_the_training(
    loss: str, changes: dict[str, float], sp500: Path, tmp_path: Path
) -> None:
    names, task = load_task(render_to(tmp_path, changed(SMALL, fixed={"loss": loss})))
    base = curve_of(names, task)
    for name, value in changes.items():
        assert curve_of(names, task, **{name: value}) != base


@pytest.fixture
def language(text: Path, tmp_path: Path) -> Callable[..., tuple[dict[str, Any], Any]]:
    """Return a function that loads the task of an edited language-model script."""

    def make(*edits: tuple[str, str]) -> tuple[dict[str, Any], Any]:
        return load_task(edit(render_to(tmp_path, TEXT), *edits))

    return make


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ('FILE_PATTERN = "**/*"', 'FILE_PATTERN = "_*.py"', "train"),
        ("TRAIN_FRACTION = 0.8 ", "TRAIN_FRACTION = 0.7 ", "train"),
        ("VAL_FRACTION = 0.1 ", "VAL_FRACTION = 0.08 ", "val"),
        ("VAL_BYTES = 4096 ", "VAL_BYTES = 3500 ", "val"),
        ("CONTEXT_LENGTH = 32 ", "CONTEXT_LENGTH = 16 ", "windows"),
        ('DATA_PATH = "text"', 'DATA_PATH = "text/_header_value_parser.py"', "train"),
    ],
)
def test_a_constant_of_the_text_changes_the_text(
    language: Callable[..., Any], old: str, new: str, differs: str
) -> None:
    if "VAL_FRACTION" in old:
        _, one = language(("VAL_BYTES = 4096 ", "VAL_BYTES = 400000 "))
        _, two = language(("VAL_BYTES = 4096 ", "VAL_BYTES = 400000 "), (old, new))
    else:
        _, one = language()
        _, two = language((old, new))
    assert getattr(one, differs).shape != getattr(two, differs).shape


@pytest.mark.parametrize(("name", "value"), [("steps", 12), ("eval_interval", 2)])
def test_a_parameter_of_the_schedule_changes_the_training(
    language: Callable[..., Any], name: str, value: int
) -> None:
    names, task = language()
    one, two = curve_of(names, task), curve_of(names, task, **{name: value})
    assert [point["step"] for point in one] == [4, 8]
    assert [point["step"] for point in two] == ([4, 8, 12] if name == "steps" else [2, 4, 6, 8])


def test_every_validation_byte_is_predicted_once(language: Callable[..., Any]) -> None:
    names, task = language()
    model = task.build_model(names["ARCHITECTURES"][0], 0.0).eval()
    with torch.inference_mode():
        metrics = task.evaluate(model, 7)
        logits = torch.cat([model(x) for x in task.val[:-1].view(-1, 32).long()[:, None]])
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), task.val[1:].long(), reduction="none"
    )
    assert len(losses) == len(task.val) - 1 == 4096
    assert metrics["val_loss"] == pytest.approx(float(losses.double().mean()), rel=1e-5)
    assert metrics["bits_per_byte"] == pytest.approx(metrics["val_loss"] / 0.693147, rel=1e-5)


def test_a_language_model_cannot_see_the_byte_it_predicts(language: Callable[..., Any]) -> None:
    names, task = language()
    torch.manual_seed(0)
    model = task.build_model(names["ARCHITECTURES"][0], 0.0).eval()
    one = torch.arange(32)[None]
    two = one.clone()
    two[0, 20:] = 7
    with torch.inference_mode():
        first, second = model(one), model(two)
    torch.testing.assert_close(first[0, :20], second[0, :20])
    assert not torch.allclose(first[0, 20:], second[0, 20:])


def test_no_decay_on_norms_biases_positions_and_scales(
    market: Callable[..., Any], language: Callable[..., Any]
) -> None:
    for names, task in (market(), language()):
        config = {**names["FIXED_PARAMS"], "learning_rate": 0.003, "dropout": 0.0}
        arch, device = names["ARCHITECTURES"][0], torch.device("cpu")
        training = names["Training"](task, arch, config, (42, 0), device)
        groups = training.optimizer.param_groups
        by_id = {id(p): name for name, p in training.model.named_parameters()}
        decayed = {by_id[id(p)] for p in groups[0]["params"]}
        spared = {by_id[id(p)] for p in groups[1]["params"]}
        assert groups[0]["weight_decay"] == config["weight_decay"] > 0
        assert groups[1]["weight_decay"] == 0.0
        assert decayed | spared == set(by_id.values())
        assert all(name.endswith(".weight") and "norm" not in name for name in decayed)
        assert {"positions", "norm.weight", "norm.bias"} <= spared
