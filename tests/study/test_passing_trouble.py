"""Trouble that passes: memory that others took, a storage that is away, stops in the meantime."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from optuna.trial import TrialState

from scripts import QUICK, changed, edit, render_to, run, study_of

pytestmark = pytest.mark.study


@pytest.fixture
def script(sp500: Path, tmp_path: Path) -> Path:
    return render_to(tmp_path, changed(QUICK, study={"n_trials": 4}))


def test_memory_that_others_took_ends_the_run_and_no_trial(script: Path) -> None:
    taken = script.parent / "taken"
    edit(
        script,
        (
            "        free = free_memory(self.device)\n",
            '        free = 0 if Path("taken").exists() else free_memory(self.device)\n',
        ),
    )
    assert run(script, "--n-trials", "1").returncode == 0
    taken.touch()
    for _ in range(2):
        done = run(script)
        assert done.returncode == 2
        assert "memory: " in done.stderr
        assert "bytes per sample, " in done.stderr
        assert "to go on, run the same command again" in done.stderr
    taken.unlink()
    assert run(script).returncode == 0
    trials = study_of(script).trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 4
    extremes = [t.user_attrs["extreme"] for t in trials if t.user_attrs["kind"] == "extreme"]
    assert len(extremes) == len(set(extremes)) >= 3


def test_a_run_that_waits_for_its_storage_can_be_stopped(script: Path) -> None:
    edit(script, ('"timeout": 60', '"timeout": 1'))
    assert run(script, "--n-trials", "1").returncode == 0
    database = script.parent / "outputs" / script.stem / "study.db"
    command = [sys.executable, "-I", script.name]
    with (
        subprocess.Popen(command, cwd=script.parent, stderr=subprocess.PIPE, text=True) as process,
        closing(sqlite3.connect(database, timeout=60, isolation_level=None)) as holder,
    ):
        assert process.stderr
        assert any(line.startswith("trial 2/4 ") for line in process.stderr)
        holder.execute("BEGIN EXCLUSIVE")
        assert any("trying again in 4 s" in line for line in process.stderr)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        said = process.stderr.read()
        assert process.wait(60) == 128 + 15, said
        assert time.monotonic() - began < 30
    assert run(script).returncode == 0
    assert [t.state for t in study_of(script).trials] == [TrialState.COMPLETE] * 4


def test_the_end_of_a_trial_that_the_storage_has_forgotten_is_missed(script: Path) -> None:
    assert run(script, "--n-trials", "2").returncode == 0
    database = script.parent / "outputs" / script.stem / "study.db"
    before = database.read_bytes()
    assert run(script, "--n-trials", "3").returncode == 0
    database.write_bytes(before)
    done = run(script)
    assert done.returncode == 2
    assert f"the storage {database} was altered" in done.stderr
    assert f"logs/{script.stem}.log tells the end of trial 2, it does not" in done.stderr
    assert "recover-trials logs/" in done.stderr
