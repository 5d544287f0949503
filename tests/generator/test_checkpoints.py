"""Pretrained encoders when a script is rendered: sizes and counts from files, without torch."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hpogen.errors import ConfigError, DataError, UsageError
from hpogen.families.text.pretrained.checkpoint import read_checkpoint
from hpogen.rendering.render import MARK, read_mark, render
from hpogen.spec import Spec, make_spec
from hpogen.spec.spec_warnings import spec_warnings
from scripts import LABELS, SPANS, changed, spec_of

ROOT = Path(__file__).parents[2]
CONFIG = {
    "hidden_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 64,
}
OTHER_NAMES = {"dim": 8, "n_layers": 3, "n_heads": 2, "hidden_dim": 16}
LAYER = {"attention.query.weight": [8, 8], "output.dense.bias": [8]}
TENSORS = {"embeddings.words.weight": [100, 8], "embeddings.LayerNorm.bias": [8]} | {
    f"encoder.layer.{n}.{name}": shape for n in range(3) for name, shape in LAYER.items()
}
EMBEDDINGS, PER_LAYER = 808, 72


def write(folder: Path, tensors: dict[str, list[int]], config: Any = CONFIG, **more: str) -> Path:
    """Write the files of a model; `more`: types of tensors that are no 32-bit floats."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    about: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    for name, shape in tensors.items():
        about[name] = {"dtype": more.get(name, "F32"), "shape": shape, "data_offsets": [0, 0]}
    header = json.dumps(about).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    return folder


def config_of(folder: Path, **changes: Any) -> dict[str, Any]:
    """Return a configuration that fine-tunes the model of a folder."""
    base = changed(LABELS, budget="1K", model={"encoder": str(folder)}, tolerance=0.2)
    return changed({**base, "architecture": {}}, **changes)


def spans_of(folder: Path, **changes: Any) -> dict[str, Any]:
    """Return a configuration that fine-tunes the model of a folder for spans."""
    model = {"encoder": str(folder), "hash_buckets": None}
    base = changed(SPANS, budget="900", model=model, tolerance=0.3)
    return changed({**base, "architecture": {}}, **changes)


@pytest.mark.parametrize("prefix", ["", "bert.", "model."])
def test_the_counts_are_those_of_the_lowest_layers(prefix: str, tmp_path: Path) -> None:
    tensors = {prefix + name: shape for name, shape in TENSORS.items()}
    tensors |= {f"{prefix}pooler.dense.weight": [8, 8], f"{prefix}embeddings.position_ids": [64]}
    if prefix:
        tensors |= {"cls.predictions.bias": [100]}
    ids = {f"{prefix}embeddings.position_ids": "I64"}
    found = read_checkpoint(str(write(tmp_path / "model", tensors, **ids)))

    assert found["encoder_params"] == [EMBEDDINGS + n * PER_LAYER for n in (1, 2, 3)]
    weights = (tmp_path / "model" / "model.safetensors").read_bytes()
    assert found["encoder_sha256"] == hashlib.sha256(weights).hexdigest()


def test_sizes_may_have_other_names(tmp_path: Path) -> None:
    first = read_checkpoint(str(write(tmp_path / "a", TENSORS)))
    config = {**OTHER_NAMES, "max_position_embeddings": 64}
    assert read_checkpoint(str(write(tmp_path / "b", TENSORS, config))) == first
    assert first["encoder_sizes"] == {
        "d_model": 8, "n_heads": 2, "d_ff": 16, "n_layers": 3, "n_positions": 64
    }  # fmt: skip


def test_the_architectures_are_numbers_of_layers_within_the_budget(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", TENSORS)
    spec = spec_of(tmp_path, config_of(folder))

    head = 9 * len(spec.constants["labels"])
    counts = {row["n_layers"]: row["params"] for row in spec.architectures}
    assert counts == {n: EMBEDDINGS + n * PER_LAYER + head for n in (3, 2, 1)}
    hidden = spec_of(tmp_path, config_of(folder, options={"head": "mlp"}, budget="1100"))
    assert [row["params"] - 72 for row in hidden.architectures] == [*counts.values()]


@pytest.mark.parametrize(
    ("trained_layers", "n_layers", "has_effect"),
    [(0, [2, 3], False), (1, [2, 3], False), (2, [2, 3], True), (1000, [1, 2], True)],
)
def test_a_decay_without_effect_is_warned_about(
    trained_layers: int, n_layers: list[int], has_effect: bool, tmp_path: Path
) -> None:
    config = config_of(
        write(tmp_path / "model", TENSORS),
        fixed={"trained_layers": trained_layers},
        architecture={"n_layers": n_layers},
    )
    found = [text for text in spec_warnings(spec_of(tmp_path, config)) if "layer_decay" in text]
    assert found == ([] if has_effect else [
        "search.layer_decay: no effect, because at most one layer is trained; raise"
        " fixed.trained_layers, or write layer_decay under fixed"
    ])  # fmt: skip
    config["fixed"]["layer_decay"] = 1.0
    assert not any("layer_decay" in text for text in spec_warnings(spec_of(tmp_path, config)))


def test_a_script_is_rendered_again_without_the_model(tmp_path: Path) -> None:
    folder = write(tmp_path / "model", TENSORS)
    script = render(spec_of(tmp_path, config_of(folder)))
    (folder / "config.json").unlink()
    (folder / "model.safetensors").unlink()

    fields = read_mark(script)

    assert fields is not None
    assert render(Spec.model_validate(fields)) == script
    body = "\n".join(line for line in script.splitlines() if not line.startswith(MARK))
    assert "ENCODER = " in body
    assert "ENCODER_PARAMS" not in body


def test_spans_have_two_logits_per_token(tmp_path: Path) -> None:
    spec = spec_of(tmp_path, spans_of(write(tmp_path / "model", TENSORS)))
    counts = {row["n_layers"]: row["params"] for row in spec.architectures}
    assert counts == {n: EMBEDDINGS + n * PER_LAYER + 2 * 9 for n in (3, 2, 1)}
    assert "hash_buckets" not in spec.constants


@pytest.mark.parametrize("configuration", [config_of, spans_of])
def test_a_script_is_clean_and_formatted(
    configuration: Callable[[Path], dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "script.py"
    script.write_text(render(spec_of(tmp_path, configuration(write(Path("model"), TENSORS)))))
    for words in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *words, "--no-cache"]
        subprocess.run([*command, f"--config={ROOT}/pyproject.toml", script], check=True)


def test_a_script_from_scratch_holds_nothing_of_fine_tuning() -> None:
    tasks = ("text_classification", "span_extraction")
    script = "".join(render(make_spec(budget="2M", task=task)) for task in tasks)
    for word in ("ENCODER", "transformers", "layer_decay", "pooled"):
        assert word not in script


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"context_length": 65}}, "longer than the encoder's 64 positions"),
        ({"model": {"vocab_size": 600}}, "the encoder has a tokenizer of its own"),
        ({"model": {"encoder_params": [1]}}, "encoder_params"),
        ({"model": {"encoder_sha256": "0" * 64}}, "encoder_sha256 is "),
        ({"architecture": {"d_ff_ratio": [4]}}, "unknown axis"),
        ({"architecture": {"n_layers": [4, 5]}}, "fits 0 architectures"),
        ({"options": {"pooling": "sum"}}, "unknown choice 'sum'"),
        ({"model": {"encoder": 5}}, "model.encoder"),
        ({"sections": ["fsdp"]}, "fsdp does not keep the layer"),
    ],
)
def test_what_a_model_does_not_have_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "model", TENSORS)
    with pytest.raises((ConfigError, DataError, UsageError), match=r".") as caught:
        _ = spec_of(tmp_path, config_of(folder, **changes)).architectures
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"context_length": 15}}, "fewer than 16 tokens"),
        ({"model": {"max_answer": 65, "context_length": 64}}, "longer than model.context_length"),
        ({"model": {"hash_buckets": 64}}, "hash_buckets"),
        ({"options": {"pooling": "max"}}, "unknown"),
        ({"task": "text_shared"}, "model.encoder"),
    ],
)
def test_what_spans_with_a_model_do_not_have_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "model", TENSORS)
    with pytest.raises(ConfigError, match=r".") as caught:
        spec_of(tmp_path, spans_of(folder, **changes))
    assert message in str(caught.value)


def test_pooling_and_layers_need_a_pretrained_encoder(tmp_path: Path) -> None:
    for changes in ({"options": {"pooling": "max"}}, {"fixed": {"layer_decay": 0.9}}):
        with pytest.raises(ConfigError, match="unknown"):
            spec_of(tmp_path, changed(LABELS, **changes))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"config": []}, "no hidden_size or dim"),
        ({"config": {**CONFIG, "hidden_size": "8"}}, "no hidden_size or dim"),
        ({"tensors": {"a.weight": [3]}}, "holds no embeddings"),
        ({"weights": b"\xff" * 20}, "is damaged"),
        ({"weights": b"PK\x03\x04"}, "is damaged"),
        ({"weights": (9).to_bytes(8, "little") + b"{}\n\x1b[31m!!"}, "model"),
        ({"missing": "model.safetensors"}, "No such file"),
        ({"missing": "config.json"}, "No such file"),
    ],
)
def test_a_model_that_cannot_be_read_is_refused(
    damage: dict[str, Any], message: str, tmp_path: Path
) -> None:
    tensors = damage.get("tensors", TENSORS)
    folder = write(tmp_path / "model", tensors, damage.get("config", CONFIG))
    if "weights" in damage:
        (folder / "model.safetensors").write_bytes(damage["weights"])
    if "missing" in damage:
        (folder / damage["missing"]).unlink()
    with pytest.raises(DataError, match="model") as caught:
        read_checkpoint(str(folder))
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_name_is_looked_up_in_the_cache_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pytest.importorskip("huggingface_hub.constants", reason="needs hpogen[text]")
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--org--small"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots").mkdir()
    found = write(folder / "snapshots" / "abc", TENSORS)
    assert read_checkpoint("org/small") == read_checkpoint(str(found))
    with pytest.raises(DataError, match="not in the cache of the hub"):
        read_checkpoint("nobody/no-such-model")
