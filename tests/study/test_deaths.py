"""Trials that end their process, by memory say: they do not hold up their study for ever."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from optuna.trial import TrialState

from rebuilt import assert_log_gives_the_study_back
from scripts import QUICK, changed, edit, render_to, run, study_of

pytestmark = [pytest.mark.study, pytest.mark.thorough]

FEW = ("MOST_DEATHS = 10", "MOST_DEATHS = 3")
DIES = "os._exit(9)"
# Where an epoch has been trained, and a batch.
EPOCH = "        train_loss = float(training.losses)"
BATCH = "            after_batch(training, step / total)"


@pytest.fixture
def script(sp500: Path, tmp_path: Path) -> Path:
    (folder := tmp_path / "study").mkdir()
    shutil.copy(sp500, folder / sp500.name)
    config = changed(QUICK, study={"n_trials": 3}, fixed={"epochs": 3, "batch_size": 128})
    return edit(render_to(folder, config), FEW)


def test_a_trial_that_ends_its_process_at_one_place_fails_and_the_study_goes_on(
    script: Path,
) -> None:
    edit(
        script, (EPOCH, f"        if key[1] == 1 and item.step == 2:\n            {DIES}\n{EPOCH}")
    )
    for _ in range(3):
        assert run(script).returncode == 9
    done = run(script)
    assert done.returncode == 0, done.stderr
    assert "FAIL killed" in done.stderr
    trials = study_of(script).trials
    states = [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    assert [trial.state for trial in trials] == states
    known = trials[1].user_attrs
    assert known["fail_reason"] == "killed"
    assert known["error"] == "KilledError: 3 processes in a row ended with it at one place"
    assert [*trials[1].intermediate_values] == [1]
    assert_log_gives_the_study_back(script)


def test_a_trial_that_gets_further_each_time_is_finished(script: Path) -> None:
    edit(script, (BATCH, f"{BATCH}\n            if key[1] == 1:\n                {DIES}"))
    codes = []
    while 9 in (codes or [9])[-1:] and len(codes) < 30:
        codes.append(run(script, "--checkpoint-minutes", "0").returncode)
    assert len(codes) > 5
    assert codes[-1] == 0
    trials = study_of(script).trials
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 3
    assert len(trials[1].user_attrs["learning_curve"]) == 3
    assert_log_gives_the_study_back(script)
