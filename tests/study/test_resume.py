"""A study that was interrupted anywhere has the table of one that was not."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from scripts import (
    QUICK,
    TEXT,
    changed,
    edit,
    log_of,
    mortal,
    render_to,
    result_of,
    run,
    run_until_done,
    start,
    study_of,
    table,
    wait_for,
)

pytestmark = pytest.mark.study

CONFIG = changed(QUICK, study={"n_trials": 4}, fixed={"epochs": 3, "batch_size": 128})
STEPS = 9  # three epochs of three batches
EACH = ("--checkpoint-minutes", "0")


def copy_of(script: Path, name: str) -> Path:
    """Return a script in a folder beside its own."""
    target = script.parent.with_name(name)
    return Path(shutil.copytree(script.parent, target)) / script.name


@pytest.fixture
def script(sp500: Path, tmp_path: Path) -> Path:
    """Return a script in a folder of its own."""
    (folder := tmp_path / "study").mkdir()
    sp500.rename(folder / sp500.name)
    return render_to(folder, CONFIG)


@pytest.mark.parametrize("arguments", [(), EACH], ids=["from the start", "from checkpoints"])
def test_a_study_that_is_killed_often_has_the_table_of_one_that_is_not(
    arguments: tuple[str, ...], script: Path
) -> None:
    places = [(0, 1), (0, 5), (1, 3), (1, 8), (2, 4), (3, 2), (3, 9)]
    killed = mortal(copy_of(script, "killed"), places)
    assert run(script).returncode == 0
    assert run_until_done(killed, *arguments) == len(places)
    assert table(killed) == table(script)
    log = log_of(killed).read_text()
    assert log.count(" resumed: ") == len(places)
    assert log.count(" ended: reason=") == 1
    assert list((killed.parent / "outputs" / killed.stem / "checkpoints").glob("*.pt")) == []


def test_a_language_model_is_resumed_at_its_step(text: Path, tmp_path: Path) -> None:
    script = render_to(tmp_path, changed(TEXT, data={"data_path": str(text)}))
    assert run_until_done(mortal(script, [(0, 6)]), *EACH) == 1
    first, second = study_of(script).trials.values()
    assert (first.state, second.state) == ("COMPLETE", "COMPLETE")
    assert first.resumed_at["step"] == 4


def test_derived_files_can_be_deleted_at_any_time(script: Path) -> None:
    killed = mortal(copy_of(script, "killed"), [(1, 5)])
    assert run(script).returncode == 0
    assert run(killed, *EACH).returncode == 9
    outputs = killed.parent / "outputs"
    assert (outputs / killed.stem / "checkpoints" / "trial_0001.pt").exists()
    shutil.rmtree(outputs)
    assert run(killed).returncode == 0
    assert table(killed) == table(script)


def test_a_damaged_end_costs_its_trial_and_is_reported_with_its_line(script: Path) -> None:
    assert run(script).returncode == 0
    before, log = table(script), log_of(script)
    lines = log.read_text().splitlines(keepends=True)
    (at,) = (i for i, line in enumerate(lines) if "] Trial 1 ended: " in line)
    lines[at] = lines[at].replace("COMPLETE", "COMPLETf")
    log.write_text("".join(lines))
    done = run(script)
    assert done.returncode == 0
    assert f"warning: logs/{log.name}: damaged lines {at + 1} are ignored\n" in done.stderr
    assert table(script) == before
    assert log.read_text().count("] Trial 1 ended: ") == 2


def test_a_trial_whose_process_dies_ten_times_at_one_place_fails(script: Path) -> None:
    mortal(script, [(1, 4)] * 20)
    for _ in range(10):
        assert run(script).returncode == 9
    done = run(script)
    assert done.returncode == 0, done.stderr
    trials = study_of(script).trials
    assert [trial.state for trial in trials.values()] == [
        "COMPLETE", "FAIL", "COMPLETE", "COMPLETE",
    ]  # fmt: skip
    known = trials[1].attributes
    assert known["fail_reason"] == "killed"
    assert known["error"] == "KilledError: 10 processes in a row ended at this place"


def test_a_trial_that_gets_further_each_time_is_finished(script: Path) -> None:
    places = [(1, step) for step in range(1, STEPS + 1)] + [(2, 1), (2, 1), (2, 2)]
    mortal(script, places)
    edit(script, ("MOST_KILLS = 10", "MOST_KILLS = 3"))
    assert run_until_done(script, *EACH) == len(places)
    assert {trial.state for trial in study_of(script).trials.values()} == {"COMPLETE"}


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_signal_ends_a_run_that_can_be_continued(
    number: signal.Signals, code: int, sp500: Path, tmp_path: Path
) -> None:
    script = render_to(tmp_path, changed(QUICK, fixed={"epochs": 10**6, "patience": 10**6}))
    log = log_of(script)
    process = start(script, *EACH)
    wait_for(lambda: log.exists() and "Trial 0 epoch 1:" in log.read_text(), process)
    process.send_signal(number)
    said = process.said()
    assert process.returncode == code
    assert f"stopped: {number.name}. To continue, run the same command again\n" in said
    assert "Traceback" not in said
    found = result_of(subprocess.CompletedProcess([], code, said))
    assert (found["state"], found["running"], found["complete"]) == ("unfinished", 1, 0)
    assert f'ended: reason="{number.name}", ' in log.read_text()
    assert (tmp_path / "outputs" / script.stem / "checkpoints" / "trial_0000.pt").exists()


def test_the_file_stop_ends_a_run_until_it_is_removed(script: Path) -> None:
    stop = script.parent / "outputs" / script.stem / "STOP"
    stop.parent.mkdir(parents=True)
    stop.touch()
    for _ in range(2):
        done = run(script)
        assert done.returncode == 75
        hint = f"run the same command again after you remove outputs/{script.stem}/STOP\n"
        assert hint in done.stderr
        assert result_of(done)["state"] == "unfinished"
    stop.unlink()
    assert run(script).returncode == 0
    assert log_of(script).read_text().count('ended: reason="STOP", ') == 2


def test_a_run_out_of_time_is_continued_by_the_next(script: Path) -> None:
    copy = copy_of(script, "late")
    render_to(copy.parent, changed(CONFIG, study={"timeout_hours": 1e-9}))
    late = run(copy)
    assert late.returncode == 75
    assert 'ended: reason="timeout", ' in log_of(copy).read_text()
    render_to(copy.parent, changed(CONFIG, study={"timeout_hours": 1000.0}))
    for each in (script, copy):
        assert run(each).returncode == 0
    assert table(copy) == table(script)


def test_a_larger_total_continues_where_the_study_ended(script: Path) -> None:
    copy = copy_of(script, "steps")
    assert run(script, "--n-trials", "6").returncode == 0
    for total in ("1", "3", "6"):
        done = run(copy, "--n-trials", total)
        assert result_of(done)["complete"] == int(total)
    assert table(copy) == table(script)


def test_trial_seconds_replace_the_schedule_of_every_trial(script: Path) -> None:
    done = run(script, "--trial-seconds", "0.2", "--n-trials", "2")
    assert done.returncode == 0, done.stderr
    for trial in study_of(script).trials.values():
        known = trial.attributes
        assert known["train_seconds"] >= 0.2 or known["ended_by"] == "early_stopping"
        assert known["ended_by"] in ("schedule", "early_stopping")
        assert known["epochs_trained"] == len(trial.curve) >= 1
    (about,) = study_of(script).runs.values()
    assert about["trial_seconds"] == 0.2


def test_the_log_in_another_folder_is_continued_there(script: Path) -> None:
    assert run(script, "--n-trials", "2").returncode == 0
    moved = copy_of(script, "moved")
    shutil.rmtree(moved.parent / "outputs")
    (moved.parent / "logs" / f"{moved.stem}.log.lock").unlink()
    for each in (script, moved):
        assert run(each).returncode == 0
    assert table(moved) == table(script)
