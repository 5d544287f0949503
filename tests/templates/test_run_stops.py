"""Stops: what ends a run before its total, and with which code."""

from __future__ import annotations

import errno
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpo_script.machinery import run_stops as parts
from hpo_script.machinery.log_file import Interrupted
from hpo_script.machinery.run_stops import SIGNALS, STOPPED, Stops

TWICE = """
import signal, sys
from pathlib import Path
from hpo_script.machinery.run_stops import Stops
stops = Stops(Path("STOP"))
signal.raise_signal(int(sys.argv[1]))
print(stops.asked().reason, flush=True)
signal.raise_signal(int(sys.argv[2]))
print("alive")
"""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Restore the handlers of signals."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def stops_in(folder: Path) -> Stops:
    """Return the stops of a run."""
    return Stops(folder / "STOP")


def asked(stops: Stops) -> tuple[str, int] | None:
    """Return why the run must end, after a look at everything."""
    stops.next_look = 0.0
    stop = stops.asked()
    return (stop.reason, stop.code) if stop else None


def test_nothing_ends_a_run_without_a_reason(tmp_path: Path) -> None:
    assert asked(stops_in(tmp_path)) is None


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_the_reason_of_the_end(number: signal.Signals, tmp_path: Path) -> None:
    stops = stops_in(tmp_path)

    signal.raise_signal(number)

    assert asked(stops) == (number.name, 128 + number)


@pytest.mark.parametrize("second", SIGNALS)
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_process_at_once(
    first: signal.Signals, second: signal.Signals, tmp_path: Path
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", TWICE, str(int(first)), str(int(second))],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ran.stdout, ran.returncode) == (f"{first.name}\n", -second), ran.stderr
    assert "a second signal stops at once" in ran.stderr


def test_a_stop_is_no_exception_that_a_trial_could_catch() -> None:
    assert not issubclass(Interrupted, Exception)


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stops = stops_in(tmp_path)

    signal.raise_signal(signal.SIGHUP)
    assert asked(stops) is None

    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGHUP)
    assert asked(stops) == ("SIGTERM", 143)


def test_a_file_of_the_name_ends_the_run_well(tmp_path: Path) -> None:
    stops = stops_in(tmp_path)
    assert asked(stops) is None

    (tmp_path / "STOP").touch()

    assert asked(stops) == ("STOP", STOPPED)
    (tmp_path / "STOP").unlink()
    assert asked(stops) == ("STOP", STOPPED), "a stop is final"


def test_files_are_read_once_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    stops = stops_in(tmp_path)
    assert stops.asked() is None
    (tmp_path / "STOP").touch()
    now = 100.9
    assert stops.asked() is None
    now = 101.0
    assert stops.asked()


def test_a_run_ends_after_its_hours_but_for_the_time_of_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(parts, "TIMEOUT_HOURS", 2.0)
    for reserve, last in ((0.0, 7200.0), (50.0, 7150.0)):
        now = 0.0
        stops = stops_in(tmp_path)
        stops.reserve = reserve
        now = last - 0.1
        assert asked(stops) is None
        now = last
        assert asked(stops) == ("timeout", STOPPED)


def test_a_run_without_hours_has_no_end(tmp_path: Path) -> None:
    assert stops_in(tmp_path).end == math.inf


def test_a_guard_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    said: list[str | None] = [None, "95 °C"]
    stops = Stops(tmp_path / "STOP")
    stops.guards = (lambda _stops: None, lambda _stops: said.pop(0))

    assert asked(stops) is None
    assert asked(stops) == ("95 °C", STOPPED)


def test_what_cannot_be_looked_at_asks_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise OSError(errno.ESTALE, "Stale file handle")

    stops = Stops(tmp_path / "STOP")
    stops.guards = (away, lambda _stops: "95 °C")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", away)
        assert asked(stops) == ("95 °C", STOPPED)
