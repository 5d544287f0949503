"""Stops: what ends a run before its total, after the batch in hand and with a checkpoint."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NoReturn

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")  # the last is Slurm's warning, if asked for
SLURM_MARGIN = 120  # seconds kept for the checkpoint before Slurm ends the job


class Interrupted(BaseException):
    """The run is to end: the reason, and the code to exit with."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code


def interrupt(number: int, _frame: object) -> NoReturn:
    """End at once."""
    raise Interrupted(signal.Signals(number).name, 128 + number)


def on_signals(handler: Callable[[int, object], object]) -> None:
    """Set what a signal does, but for those that are ignored (nohup ignores SIGHUP)."""
    for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def end_of_job() -> float:
    """Return when Slurm ends the job that this is, in seconds since 1970; if it does."""
    told, job = os.environ.get("SLURM_JOB_END_TIME", ""), os.environ.get("SLURM_JOB_ID")
    if told.isdecimal():
        return int(told)
    if job:  # before version 23 it has to be asked
        ask = ["squeue", "--noheader", "--format=%e", f"--jobs={job}"]
        zone = {**os.environ, "SLURM_TIME_FORMAT": "standard"}
        with suppress(OSError, ValueError, subprocess.SubprocessError):
            said = subprocess.run(ask, capture_output=True, check=True, env=zone, timeout=20)
            return datetime.fromisoformat(said.stdout.decode().strip()).timestamp()
    return math.inf


def time_left(timeout_hours: float | None) -> float:
    """Return the seconds until TIMEOUT_HOURS are over, or Slurm ends the job."""
    asked = math.inf if timeout_hours is None else 3600 * timeout_hours
    return min(asked, end_of_job() - time.time() - SLURM_MARGIN)


class Stops:
    """Everything that may ask for the end.

    A guard is called with this object and returns a reason, or None; one that pauses training
    waits by `may_wait`.
    """

    def __init__(
        self,
        file: Path,
        timeout_hours: float | None,
        guards: Sequence[Callable[[Stops], str | None]],
    ) -> None:
        self.file, self.guards = file, guards
        self.end = time.monotonic() + time_left(timeout_hours)
        self.reserve = 0.0  # seconds of it that the checkpoint may take
        self.stop: Interrupted | None = None
        self.next_look = 0.0
        on_signals(self.take)

    def take(self, number: int, frame: object) -> None:
        """Take a signal: the first ends the run after its batch, the second at once."""
        if self.stop:
            interrupt(number, frame)
        self.stop = Interrupted(signal.Signals(number).name, 128 + number)
        with suppress(OSError):  # print is not for signal handlers
            os.write(2, b"\nending after the batch in hand; a second signal ends at once\n")

    def asked(self) -> Interrupted | None:
        """Return what asks for the end; files and guards are looked at once a second."""
        now = time.monotonic()
        if self.stop is None and now >= self.next_look:
            self.next_look = now + 1
            for guard in (Stops.look, *self.guards):
                with suppress(OSError):  # what cannot be looked at now is no fault of the trial
                    reason = guard(self)
                    if self.stop is None and reason:
                        self.stop = Interrupted(reason, 0)
        return self.stop

    def may_wait(self, seconds: float) -> bool:
        """Wait, if nothing asks for the end; tell whether nothing does."""
        if self.stop is None and (reason := self.look()):
            self.stop = Interrupted(reason, 0)
        if self.stop is None:
            time.sleep(seconds)
        return self.stop is None

    def wait(self, seconds: float) -> None:
        """Wait until then, or until something asks for the end."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and self.may_wait(min(left, 1.0)):
            pass

    def look(self) -> str | None:
        """Look at the clock and for the file STOP."""
        if time.monotonic() + self.reserve >= self.end:
            return "timeout"
        with suppress(OSError):  # such as of a disk of a network that is away
            return "STOP" if self.file.exists() else None
        return None
