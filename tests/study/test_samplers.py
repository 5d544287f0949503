"""Samplers, pruners, conditions and limits: what a configuration says is what a study does."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState
from pydantic import TypeAdapter

from hpogen.samplers import PrunerArguments, SamplerArguments
from scripts import QUICK, changed, load, render_to, run, study_of

pytestmark = pytest.mark.study

SAMPLERS: dict[str, dict[str, Any]] = {
    "tpe": {"type": "tpe", "n_startup_trials": 2},
    "random": {"type": "random"},
    "cmaes": {"type": "cmaes"},
    "gp": {"type": "gp", "n_startup_trials": 2},
    "grid": {"type": "grid"},
}
PRUNERS: dict[str, dict[str, Any]] = {
    "median": {"type": "median", "n_startup_trials": 3, "n_min_trials": 2},
    "percentile": {"type": "percentile", "percentile": 40.0, "interval_steps": 2},
    "successive_halving": {"type": "successive_halving", "min_resource": 2},
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
    base = changed(QUICK, **(GRID if sampler == "grid" else {}), sampler=SAMPLERS[sampler])
    return changed(base, **changes)


def started(script: Path) -> list[FrozenTrial]:
    """Return the trials of a script that were begun."""
    trials = study_of(script).trials
    return [trial for trial in trials if trial.state != TrialState.WAITING]


def train(script: Path, *arguments: str) -> list[FrozenTrial]:
    """Run a script; return its trials."""
    done = run(script, *arguments)
    assert done.returncode == 0, done.stderr
    return started(script)


# Each sampler and each pruner once: what a sampler is shown depends on the pruner.
@pytest.mark.parametrize(
    ("sampler", "pruner"),
    [
        ("tpe", "hyperband"),
        ("grid", "hyperband"),
        pytest.param("random", "none", marks=pytest.mark.thorough),
        pytest.param("cmaes", "successive_halving", marks=pytest.mark.thorough),
        pytest.param("gp", "percentile", marks=pytest.mark.thorough),
        pytest.param("grid", "median", marks=pytest.mark.thorough),
    ],
)
def test_a_study_that_was_interrupted_goes_on_as_if_it_had_not_been(
    sampler: str, pruner: str, sp500: Path, tmp_path: Path
) -> None:
    for module in {"cmaes": ["cmaes"], "gp": ["scipy"]}.get(sampler, []):
        pytest.importorskip(module)

    def table(name: str, *totals: int) -> list[tuple[Any, ...]]:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "sp500.csv").symlink_to(sp500)
        pruned = {"pruner": PRUNERS[pruner], "study": {"n_trials": totals[-1]}}
        script = render_to(folder, config_of(sampler, **pruned))
        for total in totals:
            trials = train(script, "--n-trials", str(total))
            assert len(trials) == total
        return [(t.number, t.params, t.value, t.state.name) for t in trials]

    one, two = table("one", 5), table("two", 3, 5)
    assert one == two
    assert {state for *_, state in one} <= {"COMPLETE", "PRUNED"}
    params = [tuple(sorted(row[1].items())) for row in one]
    assert len(set(params)) == 5


@pytest.mark.parametrize("pruner", PRUNERS)
def test_a_script_has_the_pruner_that_was_asked_for(pruner: str, tmp_path: Path) -> None:
    names = load(render_to(tmp_path, changed(QUICK, pruner=PRUNERS[pruner])))
    wanted = TypeAdapter(PrunerArguments).validate_python(PRUNERS[pruner])
    made = names["make_pruner"](names["PRUNER"])
    assert type(made).__name__ == wanted.optuna
    assert type(made).__module__.startswith("optuna.pruners")
    arguments = {name: value for name, value in wanted.model_dump().items() if name != "type"}
    assert {name: value for name, value in names["PRUNER"].items() if name != "type"} == arguments
    assert PRUNERS[pruner].items() <= {**arguments, "type": pruner}.items()
    if pruner == "percentile":
        arguments["percentile"] = 40.0  # kept as a share from below for both directions
    known = {name.lstrip("_"): value for name, value in vars(made).items()}
    found = {name: known[name] for name in arguments if name in known}
    assert found == {name: arguments[name] for name in found}
    assert len(found) >= len(arguments) - 1


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes", "gp"])
def test_a_script_has_the_sampler_that_was_asked_for(sampler: str, tmp_path: Path) -> None:
    names = load(render_to(tmp_path, config_of(sampler)))
    wanted = TypeAdapter(SamplerArguments).validate_python(SAMPLERS[sampler])
    made = names["KeyedSampler"](names["SEED"], names["SAMPLER"]).inner(0, "test")
    assert type(made).__name__ == wanted.optuna == names["SAMPLER"]["type"]
    known = {name.lstrip("_"): value for name, value in vars(made).items()}
    for name, value in SAMPLERS[sampler].items():
        if name != "type":
            assert names["SAMPLER"][name] == value
            assert known.get(name, value) == value


def test_a_grid_search_tries_every_combination_once_and_all_ends(
    sp500: Path, tmp_path: Path
) -> None:
    script = render_to(tmp_path, config_of("grid"))
    names = load(script)
    sizes = names["ArchSpace"](names["ARCHITECTURES"], free_axes=names["FREE_AXES"]).sizes()
    axes = [range(size) for size in sizes.values()]
    cells = set(itertools.product(*axes, [0.001, 0.01]))
    trials = train(script, "--n-trials", str(len(cells)))
    order = [*sizes, "learning_rate"]
    tried = [tuple(trial.params[name] for name in order) for trial in trials]
    assert len(tried) == len(cells) == 12
    assert set(tried) == cells
    ends = {trial.user_attrs["extreme"] for trial in trials if "extreme" in trial.user_attrs}
    assert ends == set(names["EXTREME_INDICES"].values())


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
    trials = train(render_to(tmp_path, config))
    assert {trial.params["loss"] for trial in trials} == {"bce", "focal", "soft_auc"}
    for trial in trials:
        loss, known = trial.params["loss"], {**trial.user_attrs, **trial.params}
        assert ("focal_gamma" in trial.params) == (loss == "focal")
        assert ("clip_norm" in trial.params) == (loss == "bce")
        assert known["clip_norm"] == 7.0 or loss == "bce"
        assert 0.1 <= known["clip_norm"] <= 1.0 or loss != "bce"


def test_what_is_skipped_is_never_trained_and_the_others_keep_their_index(
    sp500: Path, tmp_path: Path
) -> None:
    whole = load(render_to(tmp_path, QUICK))["ARCHITECTURES"]
    skip: list[Any] = [0, {"n_layers": 2, "n_heads": 4}]
    script = render_to(
        tmp_path,
        changed(
            QUICK, study={"n_trials": 12}, sampler={"type": "random"}, architecture={"skip": skip}
        ),
    )
    names = load(script)
    assert names["ARCHITECTURES"] == whole
    skipped = set(names["SKIP_INDICES"])
    both = {i for i, row in enumerate(whole) if (row["n_layers"], row["n_heads"]) == (2, 4)}
    assert skipped == {0} | both
    assert not skipped & names["EXTREME_INDICES"].keys()
    trials = train(script)
    tried = {trial.user_attrs["arch_idx"] for trial in trials}
    assert len(tried) > 2
    assert not tried & skipped
    for trial in trials:
        row = whole[trial.user_attrs["arch_idx"]]
        assert {name: trial.user_attrs[name] for name in row if name != "params"} == {
            name: value for name, value in row.items() if name != "params"
        }


def test_a_run_out_of_time_ends_well_and_the_next_goes_on(sp500: Path, tmp_path: Path) -> None:
    long = {"epochs": 100, "patience": 1000}
    second = {"n_trials": 4, "timeout_hours": 1 / 3600}
    config = changed(QUICK, study=second, fixed=long, pruner={"type": "none"})
    script = render_to(tmp_path, config)
    log = tmp_path / "logs" / f"{script.stem}.log"
    first = train(script)
    assert 1 <= len(first) < 4
    assert first[-1].state == TrialState.RUNNING
    assert 'reason="timeout"' in log.read_text()
    render_to(tmp_path, changed(config, study={"timeout_hours": 1.0}))
    trials = train(script)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 4
    assert trials[: len(first) - 1] == first[:-1]
    assert f"Trial {first[-1].number} resumed: " in log.read_text()
    assert log.read_text().count('reason="timeout"') == 1
    assert log.read_text().count('reason="trials"') == 1


def test_data_that_the_script_was_not_rendered_for_are_refused(
    sp500: Path, tmp_path: Path
) -> None:
    digest = "0" * 64
    script = render_to(tmp_path, changed(QUICK, data={"data_sha256": digest}))
    done = run(script)
    assert done.returncode == 2
    assert done.stderr.startswith("error: sp500.csv: sha256 ")
    assert "--new-data" in done.stderr
    assert not (tmp_path / "outputs").exists()
    assert len(train(script, "--new-data", "--n-trials", "1")) == 1
    sp500.write_text(sp500.read_text().replace("1999-01-04,1229.22998", "1999-01-04,1229.23"))
    again = run(script, "--new-data", "--n-trials", "2")
    assert again.returncode == 2
    assert "data_sha256 was " in again.stderr
    assert len(started(script)) == 1
