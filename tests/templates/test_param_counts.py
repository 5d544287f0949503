"""The generator's counts are those of the models, for every shape of every grid."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from hpo_script.families.market.parameter_counts import input_sizes
from hpogen.families.market.inputs import N_START_FEATURES
from hpogen.rendering.render import render
from hpogen.spec import Spec, make_spec
from scripts import (
    JOINT,
    LABELS,
    MARKET,
    SHARED,
    SPANS,
    TEXT,
    changed,
    load,
    load_task,
    render_to,
    spec_of,
)

PAIRS = changed(LABELS, budget="30K", model={"vocab_size": 600})
FAMILY_CONFIGS = [MARKET, TEXT, LABELS, PAIRS, SPANS, SHARED, JOINT]
FAMILY_NAMES = ["market", "language", "text", "byte pairs", "spans", "text_shared", "text_joint"]
TASKS = [None, "byte_lm", "text_classification", "span_extraction"]
BUDGETS = ("2M", "20M", "200M", "2B")
DEEP = 8  # layers; building hundreds takes seconds per model
GRIDS = [
    *itertools.product(TASKS, BUDGETS),
    *(pytest.param(task, "2M", marks=pytest.mark.slow) for task in ("text_shared", "text_joint")),
]


def task_without_data(spec: Spec, names: dict[str, Any]) -> Any:
    """Return the task of a script with two windows of zeros."""
    task = names["Task"]("unused", None)
    if "inputs" in spec.options:
        columns = spec.constants["feature_columns"]
        task.n_inputs = input_sizes(spec.options["inputs"], len(columns))[0]
        n_start = N_START_FEATURES if spec.options["start"] == "linear" else 0
        task.start_weights = torch.zeros(N_START_FEATURES + 1)
        task.windows = torch.zeros(2, task.n_inputs + n_start, names["CONTEXT_LENGTH"])
        task.labels = torch.zeros(names["CONTEXT_LENGTH"] + 1)
        task.train_days = torch.arange(2) + names["CONTEXT_LENGTH"] - 1
    return task


def count(task: Any, row: dict[str, int]) -> int:
    """Return the parameters of a model, which is built on the meta device."""
    with torch.device("meta"):
        model: nn.Module = task.build_model(row, 0.1)
    return sum(parameter.numel() for parameter in model.parameters())


def count_of_depth(task: Any, row: dict[str, int]) -> int:
    """Return the parameters of a model of any depth; each layer beyond the second adds as many."""
    if row["n_layers"] <= DEEP:
        return count(task, row)
    two, three = (count(task, {**row, "n_layers": depth}) for depth in (2, 3))
    return two + (three - two) * (row["n_layers"] - 2)


def models(spec: Spec, names: dict[str, Any]) -> list[tuple[dict[str, int], int]]:
    """Return rows of all shapes and the parameters of their models."""
    task = task_without_data(spec, names)
    rows = spec.architectures  # heads do not change a count: one row per shape, if there are many
    if len(rows) >= 20:
        rows = [rows[shape[-1]] for shape in spec.space().shapes]
    return [(row, count_of_depth(task, row)) for row in rows]


@pytest.mark.parametrize(("task", "budget"), GRIDS)
def test_every_count_of_every_grid_is_exact(task: str | None, budget: str, tmp_path: Path) -> None:
    spec = make_spec(budget=budget, task=task, any_horizon=True)
    script = tmp_path / "script.py"
    script.write_text(render(spec))
    names = load(script)
    rows = models(spec, names)
    assert rows
    for row, found in rows:
        assert found == row["params"], row
    assert names["ARCHITECTURES"] == spec.architectures


@pytest.mark.parametrize("task", TASKS)
def test_each_layer_adds_the_same_count(task: str | None, tmp_path: Path) -> None:
    spec = make_spec(budget="2M", task=task, any_horizon=True)
    (script := tmp_path / "script.py").write_text(render(spec))
    built = task_without_data(spec, load(script))
    deepest = max(spec.architectures, key=lambda row: row["n_layers"])
    assert deepest["n_layers"] > DEEP
    assert count(built, deepest) == count_of_depth(built, deepest)


@pytest.mark.parametrize("inputs", ["revin", "revin_stats", "scale_free"])
@pytest.mark.parametrize("start", ["linear", "none"])
@pytest.mark.parametrize("columns", [["Close"], ["Open", "High", "Low", "Close", "Volume"]])
def test_every_kind_of_inputs_is_counted(
    inputs: str, start: str, columns: list[str], sp500: Path, tmp_path: Path
) -> None:
    options = {"inputs": inputs, "start": start}
    config = changed(MARKET, options=options, data={"feature_columns": columns})
    names, task = load_task(render_to(tmp_path, config))
    spec = spec_of(tmp_path, config)
    assert task.n_inputs == input_sizes(inputs, len(columns))[0]
    rows = models(spec, names)
    assert all(found == row["params"] for row, found in rows)


@pytest.mark.parametrize("model", [{"context_length": 30}, {"patch_length": 7}, {"stride": 3}])
def test_every_size_of_the_window_is_counted(model: dict[str, int], tmp_path: Path) -> None:
    config = changed(MARKET, model=model)
    rows = models(spec_of(tmp_path, config), load(render_to(tmp_path, config)))
    assert all(found == row["params"] for row, found in rows)


@pytest.mark.parametrize("config", FAMILY_CONFIGS[1:], ids=FAMILY_NAMES[1:])
def test_the_context_of_a_text_is_counted(config: dict[str, Any], tmp_path: Path) -> None:
    config = changed(config, model={"context_length": 100})
    rows = models(spec_of(tmp_path, config), load(render_to(tmp_path, config)))
    assert all(found == row["params"] for row, found in rows)


@pytest.mark.parametrize("config", FAMILY_CONFIGS, ids=FAMILY_NAMES)
def test_the_estimate_of_a_samples_memory_is_what_a_forward_pass_keeps(
    config: dict[str, Any], tmp_path: Path
) -> None:
    spec = spec_of(tmp_path, config)
    names = load(render_to(tmp_path, config))
    task = task_without_data(spec, names)
    for row in spec.architectures:
        measured = names["measure"](task, row).sample_bytes
        assert spec.sample_bytes(row) == pytest.approx(measured, rel=0.05)
