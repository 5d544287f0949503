"""A program that drives a script: it reads RESULT, proposes configurations, and stops."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from scripts import (
    QUICK,
    changed,
    log_of,
    read_json,
    render_to,
    result_of,
    run,
    start,
    study_of,
    wait_for,
)

pytestmark = pytest.mark.study


class Loop:
    """A research loop: it tries ever closer neighbours of the best configuration, and stops."""

    def __init__(self, script: Path) -> None:
        self.script, self.total, self.proposed = script, 3, 0
        self.results = [self.run()]

    def run(self, *arguments: str) -> dict[str, Any]:
        """Run the script up to the total; return its RESULT."""
        done = run(self.script, "--n-trials", str(self.total), *arguments)
        assert done.returncode == 0, done.stderr
        return result_of(done)

    def propose(self) -> None:
        """Try two neighbours of the best configuration."""
        best = read_json(self.script.parent / "outputs" / self.script.stem / "best_params.json")
        assert best["best_trial"] == self.results[-1]["best_trial"]
        params, step = best["best_params"], 0.003 / 2**self.proposed
        configs = [{**params, "dropout": abs(params["dropout"] + by)} for by in (-step, step)]
        file = self.script.with_name(f"proposal_{self.proposed}.json")
        file.write_text(json.dumps(configs))
        self.proposed += 1
        self.total += len(configs)
        self.results.append(self.run("--enqueue", file.name))


def test_a_research_loop_proposes_raises_the_total_and_stops(sp500: Path, tmp_path: Path) -> None:
    loop = Loop(render_to(tmp_path, QUICK))
    for _ in range(3):
        loop.propose()
    values = [result["best_value"] for result in loop.results]
    assert values == sorted(values, reverse=True)
    assert [result["complete"] for result in loop.results] == [3, 5, 7, 9]
    assert {result["state"] for result in loop.results} == {"finished"}
    kinds = [trial.attributes["kind"] for trial in study_of(loop.script).trials.values()]
    assert kinds == ["extreme"] * 3 + ["enqueued"] * 6
    stop = tmp_path / "outputs" / loop.script.stem / "STOP"
    stop.touch()
    stopped = run(loop.script, "--n-trials", "100")
    assert stopped.returncode == 75
    assert result_of(stopped)["state"] == "unfinished"


def test_result_has_everything_that_a_program_needs(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, QUICK)
    empty = run(script, "--status")
    assert empty.returncode == 0
    assert (result_of(empty)["state"], result_of(empty)["n_trials"]) == ("unfinished", 3)
    found = result_of(run(script))
    study = study_of(script)
    best = study.best("minimize")
    assert best is not None
    baselines = found.pop("baselines")
    assert found == {
        "name": script.stem,
        "study": study.study_id,
        "state": "finished",
        "n_trials": 3,
        "complete": 3,
        "pruned": 0,
        "failed": 0,
        "running": 0,
        "metric": "val_loss",
        "direction": "minimize",
        "best_trial": best.number,
        "best_value": best.value,
        "seed_noise": {},
        "log": f"logs/{script.stem}.log",
    }
    assert {metric for beat in baselines.values() for metric in beat} == {"val_loss", "auc"}
    assert result_of(run(script, "--status")) == {**found, "baselines": baselines}


def test_status_answers_while_a_run_is_at_work(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(QUICK, fixed={"epochs": 10**6, "patience": 10**6}))
    log = log_of(script)
    process = start(script, "--checkpoint-minutes", "0")
    wait_for(lambda: log.exists() and "Trial 0 epoch 1:" in log.read_text(), process)
    status = run(script, "--status")
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 143
    found = result_of(status)
    assert (found["running"], found["state"]) == (1, "unfinished")


def test_two_workers_share_a_log_without_an_option(sp500: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(QUICK, study={"n_trials": 12}))
    workers = [start(script) for _ in range(2)]
    said = [worker.said() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], said
    trials = study_of(script).trials
    assert sorted(trials) == list(range(12))
    assert {trial.state for trial in trials.values()} == {"COMPLETE"}
    assert all(len(trial.claims) == 1 for trial in trials.values())
    assert log_of(script).read_text().count(" ended: arch_idx=") == 12
