"""`hpogen render --refine`: a narrower space from the best trials of a study."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from finals import STUDY, command, make_study
from hpogen.refine import narrow_entry, narrowed
from scripts import LABELS, changed, load, spec_of, study_of

FLOAT: dict[str, Any] = {"type": "float", "low": 0.0, "high": 1.0, "log": False, "when": {}}
LOG: dict[str, Any] = {"type": "float", "low": 1e-4, "high": 1e-2, "log": True, "when": {}}
INT: dict[str, Any] = {"type": "int", "low": 0, "high": 20, "step": 5, "log": False, "when": {}}
CHOICE: dict[str, Any] = {"type": "categorical", "choices": [1, 2, 3, 4, 5], "when": {}}


@pytest.mark.parametrize(
    ("entry", "values", "pad", "found"),
    [
        (FLOAT, [0.4, 0.5], 0.1, {**FLOAT, "low": 0.3, "high": 0.6}),
        (FLOAT, [0.05, 0.5], 0.1, {**FLOAT, "high": 0.6}),
        (FLOAT, [0.4, 0.4], 0.0, 0.4),
        (FLOAT, [0.41237, 0.5], 0.0, {**FLOAT, "low": 0.412, "high": 0.5}),
        (FLOAT, [0.41267, 0.5], 0.0, {**FLOAT, "low": 0.41267, "high": 0.5}),
        (LOG, [1e-3, 1e-3], 0.25, {**LOG, "low": 0.000316, "high": 0.00316}),
        (INT, [5, 15], 0.5, {**INT, "low": 5, "high": 15}),
        (INT, [5, 5], 0.5, 5),
        (CHOICE, [5, 2, 2], 0.1, {**CHOICE, "choices": [2, 5]}),
        (CHOICE, [5, 4, 3, 5, 4, 3, 1], 0.1, {**CHOICE, "choices": [3, 4, 5]}),
        (CHOICE, [4, 4], 0.1, 4),
    ],
)
def test_an_entry_is_narrowed_to_what_the_best_trials_span(
    entry: dict[str, Any], values: list[Any], pad: float, found: Any
) -> None:
    assert narrow_entry(entry, values, pad) == found


def test_a_parameter_whose_condition_holds_no_more_is_left_out(tmp_path: Path) -> None:
    search = {
        "optimizer": {"type": "categorical", "choices": ["adamw", "adafactor"]},
        "beta1": {"type": "float", "low": 0.8, "high": 0.95},
        "beta2_decay": {"type": "float", "low": -0.9, "high": -0.5},
    }
    spec = spec_of(tmp_path, changed(LABELS, search=search))
    best = [{"learning_rate": 0.002, "optimizer": "adamw", "beta1": 0.9}] * 2
    found, fixed = narrowed(spec, best, 0.1)
    assert fixed["optimizer"] == "adamw"
    assert found.keys() == {"learning_rate", "beta1"}
    assert found["beta1"]["when"] == {}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, sp500_file: Path) -> Path:
    """Return the script of a finished study of three trials."""
    folder = tmp_path_factory.mktemp("refine")
    (folder / "sp500.csv").write_bytes(sp500_file.read_bytes())
    return make_study(folder, changed(STUDY, study={"n_trials": 3}, fixed={"epochs": 1}))


@pytest.mark.study
def test_a_refined_script_searches_around_the_best_trials(study: Path) -> None:
    log = study.parent / "logs" / f"{study.stem}.log"
    done = command("render", "--refine", log, "--top", "2", "--pad", "0.1", "--n-trials", "7",
                   "--out", study.parent)  # fmt: skip
    assert done.exit_code == 0, done.output
    before, after = load(study), load(study.with_name(f"{study.stem}_refined.py"))
    assert after["NAME"] == f"{before['NAME']}_refined"
    assert after["N_TRIALS"] == 7
    trials = sorted(study_of(study).trials.values(), key=lambda trial: trial.value or math.inf)
    rates = [trial.attributes["learning_rate"] for trial in trials[:2]]
    wide, narrow = (names["SEARCH_SPACE"]["learning_rate"] for names in (before, after))
    assert wide["low"] <= narrow["low"] <= min(rates)
    assert max(rates) <= narrow["high"] <= wide["high"]
    assert (narrow["low"], narrow["high"]) != (wide["low"], wide["high"])
    (first,) = after["WARM_START"]
    best = trials[0].attributes
    assert {name: first[name] for name in after["SEARCH_SPACE"]} == {
        name: best[name] for name in after["SEARCH_SPACE"]
    }
    row = after["ARCHITECTURES"][first["arch_idx"]]
    assert row == before["ARCHITECTURES"][best["arch_idx"]]


@pytest.mark.study
def test_the_study_decides_everything_but_the_number_of_trials(study: Path) -> None:
    log = study.parent / "logs" / f"{study.stem}.log"
    done = command("render", "--refine", log, "--budget", "2M")
    assert done.exit_code == 2
    assert "--budget cannot be combined with --refine" in done.output
    assert command("render", "--pad", "0.1", "--budget", "2M").exit_code == 2
