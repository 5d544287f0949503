"""Stops: what ends a run, when, and with which code."""

from __future__ import annotations

import errno
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpo_script.stops import SIGNALS, SLURM_MARGIN, Interrupted, Stops, time_left

NUMBERS = [getattr(signal, name) for name in SIGNALS]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give signals back to whom they belonged, and leave no job of Slurm about."""
    for name in ("SLURM_JOB_END_TIME", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def stops_in(folder: Path, hours: float | None = None) -> Stops:
    """Return the stops of a run."""
    return Stops(folder / "STOP", hours, ())


def asked(stops: Stops) -> tuple[str, int] | None:
    """Return what asks for the end, looking at everything now."""
    stops.next_look = 0.0
    stop = stops.asked()
    return (stop.reason, stop.code) if stop else None


def test_nothing_ends_a_run_that_nobody_stops(tmp_path: Path) -> None:
    assert asked(stops_in(tmp_path)) is None


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_is_noted_and_the_second_ends_at_once(
    number: signal.Signals, tmp_path: Path
) -> None:
    stops = stops_in(tmp_path)

    signal.raise_signal(number)
    assert asked(stops) == (number.name, 128 + number)

    with pytest.raises(Interrupted) as ended:
        signal.raise_signal(signal.SIGTERM)
    assert (ended.value.reason, ended.value.code) == ("SIGTERM", 143)


def test_a_stop_is_no_exception_that_a_trial_could_catch() -> None:
    assert not issubclass(Interrupted, Exception)


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stops = stops_in(tmp_path)

    signal.raise_signal(signal.SIGHUP)

    assert asked(stops) is None


def test_a_file_of_the_name_ends_the_run_well(tmp_path: Path) -> None:
    stops = stops_in(tmp_path)
    assert asked(stops) is None

    (tmp_path / "STOP").touch()

    assert asked(stops) == ("STOP", 0)
    (tmp_path / "STOP").unlink()
    assert asked(stops) == ("STOP", 0), "what was asked for once stays asked for"


def test_files_are_looked_at_once_a_second(tmp_path: Path) -> None:
    stops = stops_in(tmp_path)
    began = time.monotonic()
    assert stops.asked() is None
    (tmp_path / "STOP").touch()

    while stops.asked() is None:
        time.sleep(0.01)

    assert 0.9 < time.monotonic() - began < 10


def test_a_run_ends_after_its_hours(tmp_path: Path) -> None:
    stops = stops_in(tmp_path, 0.3 / 3600)
    assert asked(stops) is None

    time.sleep(0.35)

    assert asked(stops) == ("timeout", 0)


def test_a_guard_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    said: list[str | None] = [None, "95 °C"]
    stops = Stops(tmp_path / "STOP", None, [lambda _stops: None, lambda _stops: said.pop(0)])

    assert asked(stops) is None
    assert asked(stops) == ("95 °C", 0)


def test_what_cannot_be_looked_at_asks_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    stops = Stops(tmp_path / "STOP", None, [away, lambda _stops: "95 °C"])
    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", away)
        assert stops.look() is None
        assert asked(stops) == ("95 °C", 0)


def test_the_time_that_a_checkpoint_takes_is_kept_for_it(tmp_path: Path) -> None:
    stops = stops_in(tmp_path, 60 / 3600)
    stops.reserve = 50.0
    assert asked(stops) is None
    stops.reserve = 61.0
    assert asked(stops) == ("timeout", 0)


def test_a_wait_is_over_when_something_asks_for_the_end(tmp_path: Path) -> None:
    stops = stops_in(tmp_path)
    began = time.monotonic()
    stops.wait(0.3)
    assert 0.3 <= time.monotonic() - began < 10
    signal.raise_signal(signal.SIGTERM)
    stops.wait(1000.0)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("hours", "slurm", "least", "most"),
    [
        pytest.param(None, None, float("inf"), float("inf"), id="no end"),
        pytest.param(2.0, None, 7200, 7200, id="hours"),
        pytest.param(None, 3600, 3598 - SLURM_MARGIN, 3600 - SLURM_MARGIN, id="Slurm"),
        pytest.param(0.5, 3600, 1800, 1800, id="hours before Slurm"),
        pytest.param(5.0, 3600, 3598 - SLURM_MARGIN, 3600 - SLURM_MARGIN, id="Slurm first"),
        pytest.param(None, 60, -62, -59, id="less than it takes to stop"),
    ],
)
def test_the_end_is_that_of_the_run_or_of_its_job(
    hours: float | None,
    slurm: int | None,
    least: float,
    most: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if slurm is not None:
        monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + slurm))

    assert least <= time_left(hours) <= most


@pytest.mark.parametrize("text", ["", "soon", "-5", "12:00"])
def test_an_end_of_a_job_that_is_no_time_is_none(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", text)

    assert time_left(None) == float("inf")


def test_a_job_that_is_about_to_end_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + SLURM_MARGIN - 1))

    assert asked(stops_in(tmp_path)) == ("timeout", 0)
