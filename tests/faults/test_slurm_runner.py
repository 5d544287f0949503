"""`hpogen run --slurm` on a real Slurm: warned, cut off, cancelled; the studies are complete."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpogen.run.script_order import read_script
from hpogen.run.slurm import number_of
from runner.harness import Room
from scripts import QUICK, changed, log_of, render_to, write_warm_python
from slurm import Cluster, cluster

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]
# Trials of some seconds, which are cut in their middle.
LONG = changed(QUICK, study={"n_trials": 3}, fixed={"epochs": 120, "patience": 120})


@pytest.fixture(scope="module")
def slurm() -> Iterator[Cluster]:
    """Return a Slurm of one node."""
    with cluster() as found:
        yield found


@pytest.fixture
def room(
    slurm: Cluster, sp500: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Room]:
    """Return a folder with data, which is the current one, and from which jobs are submitted."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLURM_CONF", f"{slurm.room}/slurm.conf")
    found = Room(tmp_path, Path(write_warm_python(tmp_path / "python")))
    yield found
    found.close()
    slurm.ask("scancel", "--user=root")
    slurm.wait(lambda: not slurm.waiting(), 60)


ARGUMENTS = ("--slurm", "--workers", "2", "--args", "--checkpoint-minutes 0")


def job_of(script: Path) -> str:
    return number_of(read_script(script))


def test_jobs_that_are_warned_or_cut_off_continue_until_the_log_is_complete(
    room: Room, slurm: Cluster
) -> None:
    script = render_to(room.folder, LONG)
    runner = room.start(*ARGUMENTS)
    runner.until(lambda: "Trial 0 epoch 20:" in room.log(script))
    first = job_of(script)
    slurm.call("scancel", "--signal=USR1", "--batch", first)  # as at its time limit
    runner.until(lambda: 'ended: reason="SIGUSR1"' in room.log(script))
    slurm.hurry(first)
    runner.until(lambda: room.log(script).count(" resumed: ") >= 2)
    assert job_of(script) == first  # the same job, queued again
    slurm.call("scancel", "--signal=KILL", "--full", first)  # as a lost node
    runner.until_said("was cut off")
    assert runner.wait() == 0, runner.said
    assert job_of(script) != first
    room.exact(script, 3)
    assert not slurm.waiting()


def test_a_study_longer_than_the_time_limit_is_finished(room: Room, slurm: Cluster) -> None:
    script = render_to(room.folder, changed(LONG, fixed={"epochs": 600, "patience": 600}))
    runner = room.start(*ARGUMENTS, "--sbatch", "--time=1 --signal=B:USR1@5")

    def hurried() -> bool:  # a job that is queued again would wait for two minutes
        if set(slurm.waiting()) == {"PENDING"}:
            slurm.ask("scontrol", "update", f"JobId={job_of(script)}", "StartTime=now")
        time.sleep(1)
        return runner.process.poll() is not None

    slurm.wait(hurried, 600)
    assert runner.wait() == 0, runner.said
    assert 'ended: reason="SIGUSR1"' in room.log(script) or "was cut off" in runner.said
    room.exact(script, 3)


def test_a_signal_cancels_every_job_and_the_next_runner_finishes(
    room: Room, slurm: Cluster
) -> None:
    scripts = [render_to(room.folder, changed(LONG, horizon=horizon)) for horizon in (1, 2)]
    runner = room.start(*ARGUMENTS)
    runner.until(lambda: "epoch 20:" in room.log(scripts[0]))
    runner.signal(signal.SIGTERM)
    assert runner.wait() == 128 + signal.SIGTERM, runner.said
    assert not slurm.waiting()
    assert all(log_of(script).exists() is bool(room.log(script)) for script in scripts)
    assert 'ended: reason="SIGTERM"' in room.log(scripts[0])
    room.run(*ARGUMENTS)
    for script in scripts:
        room.exact(script, 3)


def test_a_runner_takes_over_jobs_that_were_submitted_before(room: Room, slurm: Cluster) -> None:
    script = render_to(room.folder, LONG)
    assert "job " in room.run(*ARGUMENTS, "--detach")
    number = job_of(script)
    assert f"still in the queue: {script.stem}  job {number}" in room.run(*ARGUMENTS)
    assert job_of(script) == number
    room.exact(script, 3)


def test_a_script_that_cannot_run_fails_and_is_not_submitted_again(room: Room) -> None:
    script = render_to(room.folder, LONG)
    said = room.run(*ARGUMENTS[:3], "--args", "--learning-rate 3", code=1)
    assert "FAILED" in said
    assert "exit code 2" in said
    assert not room.log(script)


def test_a_request_that_slurm_refuses_is_reported(room: Room) -> None:
    render_to(room.folder, LONG)
    assert "invalid partition" in room.run(*ARGUMENTS, "--partition", "lost", code=1)
