"""--set puts a value in its place of the configuration, and wins over the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from hpogen.cli import main
from hpogen.configuration.yaml_file import ConfigFile, read_config
from hpogen.errors import HpogenError
from hpogen.spec import Spec, make_spec

BASE: dict[str, Any] = {"budget": "2M", "horizon": 1}
few = settings(max_examples=40, deadline=None)

# A key, and values that it may have.
KEYS: dict[str, st.SearchStrategy[Any]] = {
    "study.n_trials": st.integers(1, 1000),
    "study.seed": st.integers(0, 2**40),
    "tolerance": st.floats(0.2, 0.9),
    "task": st.sampled_from(["direction", "threshold_2pct"]),
    "horizon": st.integers(1, 20),
    "fixed.epochs": st.integers(1, 100),
    "search.dropout": st.floats(0.1, 0.8).map(lambda x: {"type": "float", "low": 0, "high": x}),
    "search.batch_size": st.just({"type": "categorical", "choices": [32, 64]}),
    "options.inputs": st.sampled_from(["revin", "zscore"]),
    "splits.train_fraction": st.floats(0.5, 0.7),
    "model.patch_length": st.integers(2, 20),
    "data.feature_columns": st.just(["Close", "Volume"]),
    "architecture.n_heads": st.just([2, 4]),
    "architecture.where": st.just({"d_model": {"min": 128}}),
    "sampler.n_startup_trials": st.integers(0, 30),
    "pruner": st.just({"type": "percentile", "percentile": 40.0}),
    "sections": st.just(["guards"]),
}
chosen = st.fixed_dictionaries({}, optional=KEYS)


def nested(values: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration with a value in the place of each dotted key."""
    config = dict(BASE)
    for key, value in values.items():
        section, dot, name = key.partition(".")
        if dot:
            config[section] = {**config.get(section, {}), name: value}
        else:
            config[key] = value
    return config


def assignments(values: dict[str, Any]) -> list[str]:
    """Return KEY=VALUE with the values in YAML of one line."""
    return [f"{key}={json.dumps(value)}" for key, value in values.items()]


def spec_of(config: dict[str, Any], *overrides: str) -> Spec:
    return make_spec(config=ConfigFile("x.yaml", config, {}), overrides=overrides)


@few
@given(chosen)
def test_a_value_set_is_a_value_of_the_file(values: dict[str, Any]) -> None:
    assert spec_of(BASE, *assignments(values)) == spec_of(nested(values))


@few
@given(chosen, st.data())
def test_a_value_set_wins_over_the_file(values: dict[str, Any], data: st.DataObject) -> None:
    others = {key: data.draw(KEYS[key]) for key in values}
    assert spec_of(nested(others), *assignments(values)) == spec_of(nested(values))


def test_the_last_of_two_values_wins_and_options_by_name_win_over_both() -> None:
    twice = ("study.n_trials=5", "study.n_trials=9")
    assert spec_of(BASE, *twice).n_trials == 9
    config = ConfigFile("x.yaml", BASE, {})
    assert make_spec(config=config, overrides=twice, n_trials=7).n_trials == 7


def test_a_parameter_that_is_fixed_is_no_longer_searched_and_the_other_way_round() -> None:
    entry = {"type": "float", "low": 0.0, "high": 0.5}
    fixed = spec_of({**BASE, "search": {"dropout": entry}}, "fixed.dropout=0.1")
    assert fixed.fixed["dropout"] == 0.1
    assert "dropout" not in fixed.search
    searched = spec_of(
        {**BASE, "fixed": {"dropout": 0.1}}, "search.dropout={type: float, low: 0, high: 0.2}"
    )
    assert "dropout" in searched.search
    assert "dropout" not in searched.fixed


def test_a_condition_keeps_the_value_where_it_fails() -> None:
    entry = {"type": "float", "low": 0.0, "high": 0.5, "when": {"epochs": 50}}
    config = {**BASE, "search": {"dropout": entry}, "fixed": {"dropout": 0.2}}
    found = spec_of(config, "fixed.dropout=0.1")
    assert found.fixed["dropout"] == 0.1
    assert "dropout" in found.search


def test_a_key_of_a_search_changes_the_default_search() -> None:
    for base in (BASE, {**BASE, "task": "byte_lm", "horizon": None}):
        default = spec_of(base).search["learning_rate"]
        found = spec_of(base, "search.learning_rate.low=2e-4").search["learning_rate"]
        assert found == default.model_copy(update={"low": 2e-4})


def test_another_sampler_starts_from_its_own_defaults() -> None:
    config = {**BASE, "sampler": {"multivariate": False}}
    assert spec_of(config, "sampler.type=gp").sampler.type == "gp"
    found = spec_of(config, "sampler.n_startup_trials=3", "sampler.type=tpe")
    assert found.sampler.model_dump()["multivariate"] is False
    assert found.sampler.model_dump()["n_startup_trials"] == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fixed.epoch=5", "--set fixed.epoch: unknown parameter; did you mean epochs?"),
        ("fixed.epochs=0", "--set fixed.epochs: "),
        ("studdy.n_trials=5", "--set studdy.n_trials: studdy: unknown key; did you mean study?"),
        ("n_trials=5", "--set n_trials: unknown key; did you mean study.n_trials?"),
        ("study.n_trial=5", "--set study.n_trial: unknown key; did you mean n_trials?"),
        ("search.dropout={type: float, low: 1, high: 0}",
         "--set search.dropout: low 1 must be below high 0"),
        ("sampler.type=cma", "--set sampler.type: unknown type 'cma'; did you mean cmaes?"),
        ("search.dropout.low=1", "--set search.dropout.low: search.dropout: low 1 must be below"),
        ("search.clip_norm.low=1", "search.clip_norm: type is missing; write type: float"),
        ("budget=2X", "--set budget: write a number of parameters"),
        ("task=none", "--set task: unknown task 'none'"),
        ("fixed.epochs={", "--set fixed.epochs:1:2: "),
        ("fixed.epochs", "--set 'fixed.epochs': write KEY=VALUE"),
        (".=1", "--set '.=1': write KEY=VALUE"),
        ("a" + ".a" * 5000 + "=1", "write KEY=VALUE"),
    ],
)  # fmt: skip
def test_an_error_names_the_option(text: str, message: str) -> None:
    with pytest.raises(HpogenError) as error:
        spec_of(BASE, text)
    assert message in str(error.value)


def test_errors_of_the_file_and_of_the_command_line_are_told_together(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump({**BASE, "fixed": {"epochs": 0}}))
    with pytest.raises(HpogenError) as error:
        make_spec(config=read_config(path), overrides=["study.n_trials=0"])
    first, second = str(error.value).splitlines()
    assert first.startswith("--set study.n_trials: ")
    assert "x.yaml:3:3: fixed.epochs: " in second


def hpogen(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_script_is_that_of_its_specification(tmp_path: Path) -> None:
    command = ("render", "--budget", "2M", "--horizon", "1", "--out", tmp_path, "-q")
    done = hpogen(*command, "--set", "fixed.epochs=60", "--set", "study.n_trials=9")
    assert done.exit_code == 0, done.output
    script = tmp_path / "hpo_2M_h1.py"
    text = script.read_text()
    assert "\nN_TRIALS = 9 " in text
    assert '    "epochs": 60,' in text
    assert "hpogen render --budget" not in text  # that command would render another script
    assert hpogen("check", script).exit_code == 0


def test_a_plan_takes_no_set(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("budgets: [2M]\nhorizons: [1]\n")
    done = hpogen("render", "--plan", tmp_path / "plan.yaml", "--set", "fixed.epochs=5")
    assert done.exit_code == 2
    assert "--set cannot be combined with --plan" in done.stderr


def test_a_pattern_without_quotes_is_refused_with_the_way_to_write_it() -> None:
    with pytest.raises(HpogenError) as caught:
        make_spec(budget="2M", task="byte_lm", overrides=["data.file_pattern=*.txt"])
    assert "needs quotes" in str(caught.value)
    spec = make_spec(budget="2M", task="byte_lm", overrides=['data.file_pattern="*.txt"'])
    assert spec.constants["file_pattern"] == "*.txt"
