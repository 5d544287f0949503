"""Configurations: every error of a file at once, with place and way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hpogen.configuration.yaml_file import read_config
from hpogen.errors import ConfigError, UsageError
from hpogen.spec import make_spec
from scripts import MARKET, changed, spec_of


def problems(tmp_path: Path, text: str) -> list[str]:
    """Return the errors of a file, without its folder."""
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        make_spec(config=read_config(path), budget="2M", horizon=1)
    return str(caught.value).replace(f"{tmp_path}/", "").splitlines()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "study: {n_trails: 5}",
            "x.yaml:1:9: study.n_trails: unknown key; did you mean n_trials?",
        ),
        ("n_trials: 5", "x.yaml:1:1: n_trials: unknown key; did you mean study.n_trials?"),
        (
            "study: {n_trials: 0}",
            "x.yaml:1:9: study.n_trials: must be at least 1 (got 0)",
        ),
        (
            "data:\n  feature_colums: [Close]",
            "x.yaml:2:3: data.feature_colums: unknown key; did you mean feature_columns?",
        ),
        (
            "search:\n  lr: {type: float, low: 1, high: 2}",
            "x.yaml:2:3: search.lr: unknown parameter; did you mean learning_rate?",
        ),
        (
            "search:\n  dropout: {type: float, low: 0.3, high: 0.1}",
            "x.yaml:2:3: search.dropout: low 0.3 must be below high 0.1",
        ),
        (
            "search:\n  dropout: {type: float, low: abc, high: 0.1}",
            "x.yaml:2:26: search.dropout.low: write a number (got 'abc')",
        ),
        (
            "search:\n  dropout: {type: float, low: 0.1, high: 1.5}",
            "x.yaml:2:3: search.dropout: must be below 1 (got 1.5)",
        ),
        (
            "search:\n  epochs: {type: categorical, choices: [5]}",
            "x.yaml:2:31: search.epochs.choices: needs 2 or more items",
        ),
        (
            "search:\n  epochs: {type: categorical, choices: [5, 5]}",
            "x.yaml:2:3: search.epochs: a value occurs twice in choices",
        ),
        (
            "search:\n  epochs: {type: choice}",
            "x.yaml:2:12: search.epochs.type: unknown type 'choice'; choose from float",
        ),
        (
            "fixed:\n  epochs: 2.5",
            "x.yaml:2:3: fixed.epochs: write a whole number",
        ),
        (
            "fixed:\n  weight_decay: -1",
            "x.yaml:2:3: fixed.weight_decay: must be at least 0 (got -1)",
        ),
        (
            "search:\n  dropout: {type: float, low: 0.1, high: 0.2}\nfixed:\n  dropout: 0.1",
            "x.yaml:4:3: fixed.dropout: also in search; remove one of the two",
        ),
        (
            "options: {inputs: revim}",
            "x.yaml:1:11: options.inputs: unknown choice 'revim'; did you mean revin?",
        ),
        (
            "metric: val_los",
            "x.yaml:1:1: metric: unknown metric 'val_los'; did you mean val_loss?",
        ),
        (
            "architecture:\n  d_modle: [1]",
            "x.yaml:2:3: architecture.d_modle: unknown axis; did you mean d_model?",
        ),
        (
            "architecture:\n  d_model: [64, -1]",
            "x.yaml:2:17: architecture.d_model.1: write a whole number above 0 (got -1)",
        ),
        (
            "model:\n  context_length: 90",
            "x.yaml:2:3: model.context_length: 90 is above max_context_length 60",
        ),
        ("splits: {train_end: 2010-01-01}", "x.yaml:1:10: splits.train_end: give both"),
        (
            "splits: {train_end: 2010-01-01, val_end: 2009-01-01}",
            "x.yaml:1:33: splits.val_end: 2009-01-01 is not after train_end 2010-01-01",
        ),
        (
            "splits: {train_end: 2010-13-01, val_end: 2011-01-01}",
            "x.yaml:1:10: splits.train_end: 2010-13-01 is not a date",
        ),
        (
            "data: {feature_columns: [Close, Close]}",
            "x.yaml:1:8: data.feature_columns: Close is listed twice",
        ),
        (
            "search:\n  batch_size: {type: float, low: 1, high: 8}",
            "x.yaml:2:3: search.batch_size: needs whole numbers; write type: int",
        ),
        ("a: &a [*a]", "x.yaml: nested more than 20 levels deep, or an alias contains"),
        ("budget: 1M\nbudget: 2M", "x.yaml:2:1: budget: duplicate key"),
        ("a: [", "x.yaml:1:5: "),
        ("- 1", "x.yaml:1:1: file: write a mapping, KEY: VALUE"),
        ("a,b\n" + "1,2\n" * 2000, "x.yaml:1:1: file: no YAML configuration, but text; write KEY"),
    ],
)
def test_an_error_names_place_value_and_way_out(tmp_path: Path, text: str, message: str) -> None:
    found = problems(tmp_path, text)
    assert any(line.startswith(message) for line in found), found


def test_all_errors_of_a_file_are_told_at_once_in_order(tmp_path: Path) -> None:
    text = "metric: x\nfixed: {epochs: 0, nope: 1}\nmodel: {stride: 0}\n"
    places = [line.split(": ")[1] for line in problems(tmp_path, text)]
    assert places == ["metric", "fixed.epochs", "fixed.nope", "model.stride"]


@pytest.mark.parametrize("low", ["1e-5", "1E-5", "1.0e-5", "0.00001"])
def test_a_number_in_scientific_notation_is_a_number(tmp_path: Path, low: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(
        f"search: {{learning_rate: {{type: float, low: {low}, high: 1e-2, log: true}}}}"
    )
    spec = make_spec(config=read_config(path), budget="2M", horizon=1)
    assert spec.search["learning_rate"].model_dump() == {
        "type": "float",
        "low": 1e-5,
        "high": 1e-2,
        "log": True,
        "when": {},
    }


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        make_spec(config=read_config(tmp_path / "none.yaml"), budget="2M", horizon=1)


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("")
    assert make_spec(config=read_config(path), budget="2M", horizon=1) == make_spec(
        budget="2M", horizon=1
    )


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "no budget"),
        ({"budget": "2M"}, "no horizon"),
        ({"budget": "2M", "task": "byte_lm", "horizon": 1}, "has no horizon"),
        (
            {"budget": "2M", "horizon": 1, "task": "threshold_0pct"},
            "task 'threshold_0pct'",
        ),
        ({"budget": "2M", "horizon": 1, "task": "threshold_1pct\n"}, "unknown task"),
        ({"budget": "2M", "horizon": 1, "task": "threshold_0.50pct"}, "unknown task"),
        ({"budget": "2M", "horizon": 1, "task": "../x"}, "unknown task"),
        ({"budget": "2Q", "horizon": 1}, "--budget: write a number"),
    ],
)
def test_what_is_missing_or_does_not_fit_is_a_usage_error(
    said: dict[str, Any], message: str
) -> None:
    with pytest.raises((UsageError, ConfigError), match=message):
        make_spec(**said)


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("budget: 2M\nhorizon: 1\nstudy: {n_trials: 5, seed: 1}\n")
    spec = make_spec(config=read_config(path), horizon=3, n_trials=7)
    assert (spec.horizon, spec.n_trials, spec.seed) == (3, 7, 1)


def test_a_parameter_is_searched_or_fixed_as_the_user_says(tmp_path: Path) -> None:
    spec = spec_of(
        tmp_path,
        changed(
            MARKET,
            search={"clip_norm": {"type": "float", "low": 0.1, "high": 1.0}},
            fixed={"epochs": 3},
        ),
    )
    assert "clip_norm" in spec.search
    assert "clip_norm" not in spec.fixed
    assert spec.fixed["epochs"] == 3
    assert "epochs" not in spec.search


@pytest.mark.parametrize(
    ("loss", "metric"), [("bce", "val_loss"), ("focal", "auc"), ("soft_auc", "auc")]
)
def test_a_loss_that_distorts_probabilities_is_not_judged_by_log_loss(
    loss: str, metric: str
) -> None:
    assert make_spec(budget="2M", horizon=1, options={"loss": loss}).metric == metric


def test_an_empty_budget_is_not_the_default(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("budget: ''\nhorizon: 1\n")
    with pytest.raises(ConfigError, match=r"study.yaml:1:1: budget: "):
        make_spec(config=read_config(path))
