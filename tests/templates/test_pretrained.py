"""Fine-tuning of a real pretrained encoder, all-MiniLM-L6-v2, with two of its layers."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from minilm import FIXED, MARKS, MODEL, SHA256
from scripts import LABELS, changed, curve_of, load_task, mortal, render_to, run_until_done, table

pytest.importorskip("transformers", reason="needs transformers: pip install 'hpogen[text]'")
pytestmark = MARKS
CONFIG: dict[str, Any] = {
    **changed(
        LABELS,
        budget="16M",
        splits={"group_column": None},
        model={"encoder": str(MODEL), "context_length": 12},
        fixed=FIXED,
    ),
    "architecture": {"n_layers": [1, 2]},
}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def write_texts(folder: Path) -> None:
    """Write 80 short texts of two labels."""
    draw = random.Random(0)  # noqa: S311  no secret
    words = {"mit": "permission is granted free", "apache-2.0": "licensed under the terms of"}
    rows = [
        f"{' '.join(draw.sample(text.split(), 3))} {n},{label}"
        for n in range(40)
        for label, text in words.items()
    ]
    (folder / "notices.csv").write_text("text,label\n" + "\n".join(rows))


def prepared(folder: Path, **changes: Any) -> tuple[dict[str, Any], Any]:
    """Return names and task of a script."""
    write_texts(folder)
    return load_task(render_to(folder, changed(CONFIG, **changes)))


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Any]:
    return prepared(tmp_path_factory.mktemp("pretrained"))


def trained(script: tuple[dict[str, Any], Any], **changes: Any) -> tuple[Any, dict[str, Any]]:
    """Return a training after one step, and its parameters before that step."""
    names, task = script
    config = {**names["FIXED_PARAMS"], "learning_rate": 1e-3, **changes}
    training = names["Training"](
        task, names["ARCHITECTURES"][0], config, (42, 0), torch.device("cpu")
    )
    before = {name: p.detach().clone() for name, p in training.model.named_parameters()}
    training.learn(task.batches(config, None, 1)[0], 1e-3, 16)
    return training, before


def moved(training: Any, before: dict[str, Any]) -> dict[str, float]:
    """Return by how much a step changed each part of the model: the largest change."""
    found: dict[str, float] = {}
    for name, parameter in training.model.named_parameters():
        part = next((p for p in ("layer.0", "layer.1", "embeddings") if p in name), "head")
        change = float((parameter.detach() - before[name]).abs().max())
        found[part] = max(found.get(part, 0.0), change)
    return found


def test_the_model_is_the_one_of_the_package(script: tuple[dict[str, Any], Any]) -> None:
    weights = (MODEL / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == SHA256
    assert script[0]["ENCODER_SHA256"] == SHA256


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_every_count_is_exact(head: str, tmp_path: Path) -> None:
    names, task = prepared(
        tmp_path,
        options={"head": head},
        budget="18M",
        tolerance=0.3,
        architecture={"n_layers": [1, 2, 3, 4, 5, 6]},
    )
    assert len(names["ARCHITECTURES"]) == 6
    for row in names["ARCHITECTURES"]:
        assert names["build_on_meta"](task, row)[1] == row["params"]


def test_padding_does_not_change_the_logits(script: tuple[dict[str, Any], Any]) -> None:
    names, task = script
    model = task.build_model(names["ARCHITECTURES"][0], 0.1).eval()
    tokens = task.tokens[:4].long()
    length = int((tokens != model.encoder.padding).sum(1).max())
    assert length < tokens.shape[1]
    with torch.inference_mode():
        assert torch.allclose(model(tokens), model(tokens[:, :length]), atol=1e-5)


def test_only_the_top_layers_are_trained(script: tuple[dict[str, Any], Any]) -> None:
    still = {0: {"layer.0", "layer.1", "embeddings"}, 1: {"layer.0", "embeddings"}}
    for trained_layers, frozen in {**still, 2: {"embeddings"}, 1000: set()}.items():
        found = moved(*trained(script, trained_layers=trained_layers))
        assert {part for part, change in found.items() if change == 0} == frozen


def test_a_layer_learns_more_slowly_than_the_one_above_it(
    script: tuple[dict[str, Any], Any],
) -> None:
    found = moved(*trained(script, trained_layers=1000))  # AdamW: the first step is the rate
    assert found["head"] == pytest.approx(2e-3, rel=0.01)
    assert found["layer.1"] == pytest.approx(1e-3, rel=0.01)
    assert found["layer.0"] == pytest.approx(5e-4, rel=0.01)
    assert found["embeddings"] == pytest.approx(2.5e-4, rel=0.01)


def test_every_parameter_changes_the_curve(script: tuple[dict[str, Any], Any]) -> None:
    changes: list[dict[str, Any]] = [{}, {"trained_layers": 2}, {"trained_layers": 0}]
    changes += [{"head_rate": 9.0}, {"trained_layers": 2, "layer_decay": 0.9}, {"dropout": 0.3}]
    changes += [{name: 0.3} for name in ("token_dropout", "token_swap", "char_noise")]
    losses = [
        curve_of(*script, **{"dropout": 0.1, **change})[0]["train_loss"] for change in changes
    ]
    assert len({*losses}) == len(losses)


def test_every_pooling_is_another_model(tmp_path: Path) -> None:
    losses = []
    for pooling in ("mean", "max", "cls"):
        names, task = prepared(tmp_path, options={"pooling": pooling})
        losses.append(curve_of(names, task)[0]["train_loss"])
    assert len({*losses}) == 3


def test_a_killed_study_continues_to_the_same_table(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("killed", "whole")]
    for folder in folders:
        folder.mkdir()
        write_texts(folder)
    killed, whole = (render_to(folder, CONFIG) for folder in folders)

    assert run_until_done(mortal(killed, [(1, 2)])) == 1
    assert run_until_done(whole) == 0

    assert table(killed) == table(whole)


def test_another_model_in_the_same_place_is_refused(tmp_path: Path) -> None:
    names = prepared(tmp_path)[0]
    names["load_tokenizer"].cache_clear()
    names["load_tokenizer"].__wrapped__.__globals__["ENCODER_SHA256"] = "0" * 64
    with pytest.raises(names["UnusableError"], match="differs from ENCODER_SHA256"):
        names["load_tokenizer"]()
    names["load_tokenizer"].__wrapped__.__globals__["ENCODER"] = "nobody/no-such-model"
    with pytest.raises(names["UnusableError"], match="neither a folder with a model"):
        names["load_tokenizer"]()
