"""Rendering describes the search on stderr, in a few lines, and prints paths alone on stdout."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hpogen.cli import main
from hpogen.configuration.yaml_file import ConfigFile
from hpogen.render_summary import summary_line, summary_lines
from hpogen.rendering.render import render
from hpogen.spec import Spec, make_spec

SPECS = [
    make_spec(budget="2M", horizon=1),
    make_spec(budget="20M", horizon=3, task="direction", options={"inputs": "revin"}),
    make_spec(budget="2B", task="byte_lm"),
]


def hpogen(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_the_summary_tells_the_space_the_parameters_and_the_methods(spec: Spec) -> None:
    lines = summary_lines(spec)
    assert len(lines) <= 8
    assert max(map(len, lines)) < 100
    text = " ".join(line.strip() for line in lines)
    counts = [row["params"] for row in spec.architectures]
    shapes = len(spec.space().shapes)
    assert text.startswith(f"grid: {len(counts)} architectures, {shapes} shapes; ")
    assert f"{min(counts):,} to {max(counts):,} parameters" in text
    assert f"study: {spec.n_trials} trials, of these {len(spec.extremes)} extreme" in text
    assert f"sampler: {spec.sampler.type}; pruner: {spec.pruner.type}" in text
    for name in [*spec.search, *spec.constants.get("feature_columns", [])]:
        assert name in text


def test_features_are_told_in_the_form_in_which_the_model_sees_them() -> None:
    columns = {"feature_columns": ["Close", "Volume", "Mood"]}
    config = ConfigFile("x.yaml", {"data": columns}, {})

    def features(inputs: str) -> str:
        spec = make_spec(budget="2M", horizon=1, config=config, options={"inputs": inputs})
        text = " ".join(line.strip() for line in summary_lines(spec))
        return text.partition("features: ")[2].partition(" searched: ")[0]

    assert features("scale_free") == (
        "Close as log ratio to the previous close; Volume as log ratio to its 20-day mean;"
        " Mood unchanged; ln(High / Low); standardised on training rows;"
        " start: logistic regression"
    )
    assert features("zscore") == (
        "Close, Volume, Mood: raw columns, standardised on training rows;"
        " start: logistic regression"
    )


def test_architectures_that_are_never_tried_are_not_counted() -> None:
    config = ConfigFile("x.yaml", {"architecture": {"skip": [0, 1, 2]}}, {})
    assert summary_line(make_spec(budget="2M", horizon=1, config=config)).startswith(
        "77 architectures, 16 shapes (3 more skipped); 50 trials"
    )


def test_conditions_and_steps_are_told() -> None:
    search = {
        "epochs": {"type": "int", "low": 20, "high": 80, "step": 10},
        "dropout": {"type": "float", "low": 0, "high": 0.3, "when": {"epochs": [20, 30]}},
    }
    config = ConfigFile("x.yaml", {"search": search, "fixed": {"dropout": 0.1}}, {})
    text = " ".join(summary_lines(make_spec(budget="2M", horizon=1, config=config)))
    assert "epochs 20 to 80 by 10" in text
    assert "dropout 0 to 0.3 if epochs=20/30" in " ".join(text.split())


def test_render_prints_the_summary_on_stderr_unless_quiet(tmp_path: Path) -> None:
    command = ("render", "--budget", "2M", "--task", "byte_lm", "--out", tmp_path)
    done = hpogen(*command)
    assert done.stdout == f"{tmp_path}/hpo_2M_byte_lm.py\n"
    spec = make_spec(budget="2M", task="byte_lm")
    assert done.stderr.splitlines() == summary_lines(spec)
    for option in ("--quiet", "-q"):
        assert hpogen(*command, option).output == f"{tmp_path}/hpo_2M_byte_lm.py\n"
    shown = hpogen(*command, "--stdout")
    assert shown.stdout == render(spec)
    assert shown.stderr == done.stderr


def test_a_plan_has_a_line_per_script_and_each_warning_once(tmp_path: Path) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("budgets: [2M, 20M]\nhorizons: [1]\nconfig: {study: {n_trials: 2}}\n")
    done = hpogen("render", "--plan", plan)
    described = [line for line in done.stderr.splitlines() if ": " in line]
    assert described[0].startswith(
        "hpo_2M_h1.py: 80 architectures, 16 shapes; 2 trials, of these 2 extreme"
    )
    assert described[1].startswith("hpo_20M_h1.py: 75 architectures, 15 shapes; 2 trials")
    (few,) = [line for line in described if "study.n_trials" in line and "hpo_2M" in line]
    assert few.startswith("warning: ")
    quiet = hpogen("render", "--plan", plan, "--quiet").stderr
    assert "shapes; " not in quiet
    assert few in quiet
    assert hpogen("render", "--plan", plan, "--check").stderr == "2 scripts: 2 unchanged\n"
