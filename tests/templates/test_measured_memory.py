"""The memory of a sample, measured on the meta device, is that of a real forward pass."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hpogen.rendering.render import render
from hpogen.spec import Spec, make_spec

CPU = torch.device("cpu")


def names_of(spec: Spec, folder: Path) -> dict[str, Any]:
    script = folder / f"{spec.name}.py"
    script.write_text(render(spec), encoding="utf-8")
    return runpy.run_path(str(script))


def kept(model: nn.Module, batch: Tensor) -> float:
    """Return the bytes per sample that a forward pass keeps for the backward pass."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    storages = {}

    def record(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
        model(batch)
    return sum(storage.nbytes() for storage in storages.values()) / len(batch)


def test_a_market_script_measures_at_most_a_fifth_too_much(sp500: Path, tmp_path: Path) -> None:
    names = names_of(make_spec(budget="60K", horizon=1), tmp_path)
    task = names["Task"](str(sp500), None)
    task.load(CPU)
    batch = task.training_batch(task.train_days[:4])[0]
    for row in names["ARCHITECTURES"][8::9]:
        measured = names["measure"](task, row).sample_bytes
        assert 1 < measured / kept(task.build_model(row, 0.1), batch) < 1.2


def test_a_language_script_measures_more_with_its_heads(tmp_path: Path) -> None:
    names = names_of(make_spec(budget="3M", task="byte_lm"), tmp_path)
    task = names["Task"]("unused", None)
    text = torch.zeros(2, 256, dtype=torch.long)
    rows = names["ARCHITECTURES"][-5], names["ARCHITECTURES"][-1]
    few, many = (
        names["measure"](task, row).sample_bytes / kept(task.build_model(row, 0.1), text)
        for row in rows
    )
    assert rows[0]["n_heads"] < rows[1]["n_heads"]
    assert 1 < few < 1.3
    assert many > 2
