"""Slurm: the end of a job ends the run in time."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from hpo_script.machinery.run_stops import SIGNALS, Stops
from hpo_script.sections.constants import SLURM_MARGIN
from hpo_script.sections.slurm import end_of_job, slurm_guard
from scripts import QUICK, changed, render_to, run


@pytest.fixture(autouse=True)
def no_job(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin outside of a job, and with no end of one in memory."""
    for name in ("SLURM_JOB_END_TIME", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    end_of_job.cache_clear()
    yield
    end_of_job.cache_clear()
    for number, handler in before.items():
        signal.signal(number, handler)


def job_ends(patch: pytest.MonkeyPatch, seconds: float) -> int:
    """Set the end of the job."""
    end = int(time.time() + seconds)
    patch.setenv("SLURM_JOB_END_TIME", str(end))
    end_of_job.cache_clear()
    return end


def squeue(folder: Path, patch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program in the place of squeue; this process is job 7."""
    (folder / "squeue").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "squeue").chmod(0o755)
    patch.setenv("PATH", str(folder), prepend=":")
    patch.setenv("SLURM_JOB_ID", "7")


@pytest.mark.parametrize("text", [None, "", "soon", "-5", "12:00"])
def test_outside_of_a_job_nothing_ends(text: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if text is not None:
        monkeypatch.setenv("SLURM_JOB_END_TIME", text)
    assert end_of_job() == math.inf


def test_the_end_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert job_ends(monkeypatch, 3600) == end_of_job()


def test_an_older_slurm_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = '[ "$*" = "--noheader --format=%e --jobs=7" ] && [ $SLURM_TIME_FORMAT = standard ]'
    squeue(tmp_path, monkeypatch, f"{asked} && echo 2030-01-02T03:04:05")
    assert end_of_job() == datetime.fromisoformat("2030-01-02T03:04:05").timestamp()


@pytest.mark.parametrize("script", ["echo no controller >&2; exit 1", "echo Unknown"])
def test_an_end_that_slurm_does_not_tell_is_reported(
    script: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    squeue(tmp_path, monkeypatch, script)
    assert end_of_job() == math.inf
    assert "the end of the Slurm job 7 is unknown" in capsys.readouterr().err


def test_time_for_the_last_checkpoint_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops = Stops(tmp_path / "STOP")
    stops.guards = (slurm_guard,)
    job_ends(monkeypatch, SLURM_MARGIN + 1000)
    assert stops.asked() is None
    stops.reserve, stops.next_look = 1001.0, 0.0
    stop = stops.asked()
    assert stop
    assert (stop.reason, stop.code) == ("end of the job", 75)


@pytest.mark.study
def test_a_script_with_slurm_stops_before_the_end_of_its_job(
    sp500: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = render_to(tmp_path, changed(QUICK, study={"n_trials": 1}, sections=["slurm"]))
    job_ends(monkeypatch, SLURM_MARGIN - 1)
    done = run(script)
    assert done.returncode == 75, done.stderr
    assert "stopped: end of the job. To continue, run the same command again" in done.stderr
    job_ends(monkeypatch, 10**6)
    assert run(script).returncode == 0
