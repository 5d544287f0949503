"""Samplers, pruners, conditions and skipped rows: a study does what its configuration says."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from hpogen.configuration.samplers import PrunerArguments, SamplerArguments
from scripts import (
    QUICK,
    changed,
    load,
    log_of,
    mortal,
    render_to,
    run,
    run_until_done,
    study_of,
    table,
)

pytestmark = pytest.mark.study

SAMPLERS: dict[str, dict[str, Any]] = {
    "joint": {"type": "tpe", "n_startup_trials": 2},
    "tpe": {"type": "tpe", "n_startup_trials": 2, "multivariate": False},
    "random": {"type": "random"},
    "cmaes": {"type": "cmaes", "n_startup_trials": 1, "popsize": 4},
    "gp": {"type": "gp", "n_startup_trials": 2},
    "grid": {"type": "grid"},
}
PRUNERS: dict[str, dict[str, Any]] = {
    "median": {"type": "median", "n_startup_trials": 3, "n_min_trials": 2},
    "percentile": {"type": "percentile", "percentile": 40.0, "interval_steps": 2},
    "successive_halving": {
        "type": "successive_halving",
        "min_resource": 1,
        "reduction_factor": 2,
        "min_early_stopping_rate": 0,
    },
    "hyperband": {"type": "hyperband", "max_resource": 9, "reduction_factor": 4},
    "none": {"type": "none"},
}
GRID = {
    "search": {
        "learning_rate": {"type": "categorical", "choices": [0.001, 0.01]},
        "dropout": None,
    },
    "fixed": {"dropout": 0.1},
}


def config_of(sampler: str, **changes: Any) -> dict[str, Any]:
    """Return a configuration with a sampler."""
    base = changed(
        QUICK,
        study={"n_noise": 0},
        **(GRID if sampler == "grid" else {}),
        sampler=SAMPLERS[sampler],
    )
    return changed(base, **changes)


# Each sampler and each pruner once: a sampler sees the study through the pruner.
@pytest.mark.parametrize(
    ("sampler", "pruner", "kept"),
    [
        pytest.param("tpe", "hyperband", "completed_rung_", marks=pytest.mark.slow),
        ("joint", "median", ""),
        ("cmaes", "successive_halving", "cma:"),
        pytest.param("gp", "percentile", "", marks=pytest.mark.slow),
        pytest.param("grid", "hyperband", "completed_rung_", marks=pytest.mark.slow),
        pytest.param("random", "none", "", marks=pytest.mark.slow),
    ],
)
def test_a_study_that_was_interrupted_equals_one_that_was_not(
    sampler: str, pruner: str, kept: str, sp500: Path, tmp_path: Path
) -> None:
    scripts = []
    for name in ("whole", "parts"):
        (folder := tmp_path / name).mkdir()
        (folder / "sp500.csv").symlink_to(sp500)
        more = {"pruner": PRUNERS[pruner], "study": {"n_trials": 8}}
        fixed = {"fixed": {"epochs": 4, "batch_size": 128, "prune_from": 0.2, "warmup_steps": 1}}
        scripts.append(render_to(folder, config_of(sampler, **more, **fixed)))
    whole, parts = scripts
    assert run(whole).returncode == 0
    mortal(parts, [(n, step) for n in (1, 5, 7) for step in (2, 5)])
    while run(parts, "--n-trials", "4").returncode == 9:
        pass
    assert run_until_done(parts, "--checkpoint-minutes", "0") >= 2
    assert table(parts) == table(whole)
    assert kept in log_of(whole).read_text()  # attributes of sampler and pruner
    params = [tuple(v for n, v in row.items() if n.startswith("params_")) for row in table(whole)]
    assert len(set(params)) > 5
    assert {row["state"] for row in table(whole)} <= {"COMPLETE", "PRUNED"}


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_script_has_the_pruner_that_was_asked_for(pruner: str, tmp_path: Path) -> None:
    names = load(render_to(tmp_path, changed(QUICK, pruner=PRUNERS[pruner])))
    wanted = TypeAdapter(PrunerArguments).validate_python(PRUNERS[pruner])
    made = names["OptunaStudy"](names["LoggedStudy"](), 42).pruner
    assert type(made).__name__ == wanted.optuna
    arguments = {name: value for name, value in wanted.model_dump().items() if name != "type"}
    assert {name: value for name, value in names["PRUNER"].items() if name != "type"} == arguments
    assert PRUNERS[pruner].items() <= {**arguments, "type": pruner}.items()
    known = {name.lstrip("_"): value for name, value in vars(made).items()}
    found = {name: known[name] for name in arguments if name in known}
    assert found == {name: arguments[name] for name in found}
    assert len(found) >= len(arguments) - 1


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes", "gp"])
def test_a_script_has_the_sampler_that_was_asked_for(sampler: str, tmp_path: Path) -> None:
    names = load(render_to(tmp_path, config_of(sampler)))
    wanted = TypeAdapter(SamplerArguments).validate_python(SAMPLERS[sampler])
    made = names["StudySampler"](names["SEED"]).seeded(0, "test")
    assert type(made).__name__ == wanted.optuna == names["SAMPLER"]["type"]
    known = {name.lstrip("_"): value for name, value in vars(made).items()}
    for name, value in SAMPLERS[sampler].items():
        if name != "type":
            assert names["SAMPLER"][name] == value
            assert known.get(name, value) == value


def test_the_script_draws_all_parameters_together_by_default(tmp_path: Path) -> None:
    names = load(render_to(tmp_path, QUICK))
    assert names["SAMPLER"] == {"type": "JointTPE", "n_startup_trials": 10, "n_ei_candidates": 24}
    space = names["StudySampler"](names["SEED"]).infer_relative_search_space(None, None)
    assert space == names["distributions"]()


def test_a_grid_search_tries_every_combination_once(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, config_of("grid"))
    names = load(script)
    sizes = names["SPACE"].sizes()
    cells = set(itertools.product(*(range(size) for size in sizes.values()), [0.001, 0.01]))
    assert run(script, "--n-trials", str(len(cells))).returncode == 0
    trials = [trial.attributes for trial in study_of(script).trials.values()]
    tried = [tuple(known[name] for name in (*sizes, "learning_rate")) for known in trials]
    assert len(tried) == len(cells) == 12
    assert set(tried) == cells
    ends = [known["extreme"] for known in trials if "extreme" in known]
    assert ends == [*names["EXTREME_INDICES"].values()]


def test_a_condition_holds_in_every_trial(sp500: Path, tmp_path: Path) -> None:
    config = changed(
        QUICK,
        study={"n_trials": 14},
        search={
            "loss": {"type": "categorical", "choices": ["bce", "focal", "soft_auc"]},
            "focal_gamma": {"type": "float", "low": 0.5, "high": 4.0},
            "clip_norm": {"type": "float", "low": 0.1, "high": 1.0, "when": {"loss": "bce"}},
        },
    )
    config["fixed"]["clip_norm"] = 7.0
    script = render_to(tmp_path, config)
    assert run(script).returncode == 0
    losses = set()
    for row in table(script):
        known = study_of(script).trials[int(row["number"])].attributes
        losses.add(loss := known["loss"])
        assert bool(row["params_focal_gamma"]) == (loss == "focal")
        assert bool(row["params_clip_norm"]) == (loss == "bce")
        assert 0.1 <= known["clip_norm"] <= 1.0 if loss == "bce" else known["clip_norm"] == 7.0
    assert losses == {"bce", "focal", "soft_auc"}


def test_skipped_rows_are_never_trained_and_others_keep_their_index(
    sp500: Path, tmp_path: Path
) -> None:
    whole = load(render_to(tmp_path, QUICK))["ARCHITECTURES"]
    skip: list[Any] = [0, {"n_layers": 2, "n_heads": 4}]
    random = {"sampler": {"type": "random"}, "study": {"n_trials": 12}}
    script = render_to(tmp_path, changed(QUICK, **random, architecture={"skip": skip}))
    names = load(script)
    assert names["ARCHITECTURES"] == whole
    skipped = set(names["SKIP_INDICES"])
    both = {i for i, row in enumerate(whole) if (row["n_layers"], row["n_heads"]) == (2, 4)}
    assert skipped == {0} | both
    assert not skipped & names["EXTREME_INDICES"].keys()
    assert run(script).returncode == 0
    trials = [trial.attributes for trial in study_of(script).trials.values()]
    tried = {known["arch_idx"] for known in trials}
    assert len(tried) > 2
    assert not tried & skipped
    for known in trials:
        row = whole[known["arch_idx"]]
        assert {name: known[name] for name in row if name != "params"} == {
            name: value for name, value in row.items() if name != "params"
        }
