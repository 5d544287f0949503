"""Studies of two metrics: both samplers search, resume, and print the Pareto front."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from scripts import (
    QUICK,
    changed,
    log_of,
    mortal,
    render_to,
    result_of,
    run,
    run_until_done,
    start,
    study_of,
    table,
)

pytestmark = pytest.mark.study

NSGA2 = {"type": "nsga2", "population_size": 4}
TPE = {"type": "tpe", "n_startup_trials": 4}
TWO = changed(QUICK, second_metric="ece", study={"n_trials": 14, "n_noise": 2})
WITH_NSGA2 = changed(TWO, sampler=NSGA2)


def place(folder: Path, sp500: Path, config: dict[str, Any]) -> Path:
    """Return a script in a folder of its own."""
    folder.mkdir()
    (folder / "sp500.csv").symlink_to(sp500)
    return render_to(folder, config)


def front_of(rows: list[dict[str, str]]) -> set[int]:
    """Return the trials that no other one beats in loss and calibration, by comparing all."""
    points = {
        int(row["number"]): (float(row["value"]), float(row["user_attrs_ece"]))
        for row in rows
        if row["state"] == "COMPLETE" and not row.get("user_attrs_rerun_of")
    }
    return {
        number
        for number, (loss, ece) in points.items()
        if not any(
            other != (loss, ece) and other[0] <= loss and other[1] <= ece
            for other in points.values()
        )
    }


Whole = tuple[Path, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def whole(sp500_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """Return a script with NSGA-II, and its run that nothing interrupted."""
    script = place(tmp_path_factory.mktemp("studies") / "whole", sp500_file, WITH_NSGA2)
    done = run(script)
    assert done.returncode == 0, done.stderr
    return script, done


def killed(script: Path) -> list[dict[str, str]]:
    """Kill a study twice, in the middle of a generation each; return its table."""
    mortal(script, [(5, 1), (10, 1)])
    assert run_until_done(script, "--checkpoint-minutes", "0") == 2
    return table(script)


def test_the_end_of_a_run_names_the_front(whole: Whole) -> None:
    script, done = whole
    rows, found = table(script), result_of(done)
    assert set(found["pareto_front"]) == front_of(rows)
    best = min(rows[:-2], key=lambda row: float(row["value"]))
    assert found["pareto_front"][0] == found["best_trial"] == int(best["number"])
    said = [line.split() for line in done.stderr.splitlines()]
    head = said.index(["trial", "val_loss", "ece"])
    shown = [int(words[0]) for words in said[head + 1 :]]
    assert shown == found["pareto_front"]
    assert result_of(run(script, "--status")) == found


def test_generations_have_their_size_and_inherit(whole: Whole) -> None:
    trials = [study_of(whole[0]).trials[number] for number in range(14)]
    generations = [trial.start_attrs["Nsga2:generation"] for trial in trials]
    assert generations[:12] == [0] * 4 + [1] * 4 + [2] * 4
    assert [trial.attributes["kind"] for trial in trials[-2:]] == ["noise"] * 2
    assert {trial.state for trial in trials} == {"COMPLETE"}
    first, later = ({t.attributes["dropout"] for t in part} for part in (trials[:4], trials[4:12]))
    assert first & later, "no trial has a value of its parents"
    assert later - first, "no trial has a value of its own"


def test_a_killed_study_draws_the_trials_of_one_that_was_not(
    whole: Whole, sp500: Path, tmp_path: Path
) -> None:
    assert killed(place(tmp_path / "parts", sp500, WITH_NSGA2)) == table(whole[0])


@pytest.mark.slow
def test_a_killed_study_with_tpe_draws_the_trials_of_one_that_was_not(
    sp500: Path, tmp_path: Path
) -> None:
    config = changed(TWO, sampler=TPE)
    one, parts = (place(tmp_path / name, sp500, config) for name in ("one", "parts"))
    assert run(one).returncode == 0
    assert killed(parts) == table(one)
    assert len({row["params_learning_rate"] for row in table(one)}) > 10


@pytest.mark.slow
def test_workers_share_a_study_of_two_metrics(sp500: Path, tmp_path: Path) -> None:
    script = place(tmp_path / "one", sp500, WITH_NSGA2)
    workers = [start(script), start(script)]
    assert [worker.wait() for worker in workers] == [0, 0], [w.said() for w in workers]
    assert [trial.state for trial in study_of(script).trials.values()] == ["COMPLETE"] * 14


@pytest.mark.slow
def test_a_log_of_one_metric_continues_with_two_and_history_is_refused(
    sp500: Path, tmp_path: Path
) -> None:
    config = changed(TWO, study={"n_trials": 6, "n_noise": 0}, sampler=TPE)
    one = place(tmp_path / "one", sp500, changed(config, second_metric=None))
    assert run(one).returncode == 0
    both = place(tmp_path / "two", sp500, changed(config, study={"n_trials": 10}))
    refused = run(both, "--history", str(log_of(one)))
    assert refused.returncode == 2
    assert "its trials have one value, this study needs two" in refused.stderr
    done = run(both, "--log", str(log_of(one)))
    assert done.returncode == 0, done.stderr
    assert set(result_of(done)["pareto_front"]) == front_of(table(both))
    assert "warning: not as in the first run: sampler.type" in done.stderr
