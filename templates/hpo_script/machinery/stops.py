"""Stops: what ends a run before its total, after the current batch and with a checkpoint."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from hpo_script.constants import TIMEOUT_HOURS
from hpo_script.machinery.log_file import Interrupted

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
STOPPED = 75  # exit code: stopped before the total, run again to continue


def interrupt(number: int, _frame: object) -> NoReturn:
    """End at once."""
    raise Interrupted(signal.Signals(number).name, 128 + number)


def on_signals(handler: Callable[[int, object], object]) -> None:
    """Set the handler of SIGNALS, except of ignored ones (nohup ignores SIGHUP)."""
    for number in (getattr(signal, name) for name in SIGNALS if hasattr(signal, name)):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


class Stops:
    """Everything that may end the run; a guard returns a reason to end it, or None."""

    def __init__(self, file: Path, guards: Sequence[Callable[[Stops], str | None]]) -> None:
        self.file, self.guards = file, guards
        self.end = time.monotonic() + (math.inf if TIMEOUT_HOURS is None else 3600 * TIMEOUT_HOURS)
        self.reserve = 0.0  # seconds of it for the last checkpoint
        self.stop: Interrupted | None = None
        self.next_look = 0.0
        on_signals(self.on_signal)

    def on_signal(self, number: int, frame: object) -> None:
        """End the run after the current batch; at a second signal, at once."""
        if self.stop:
            interrupt(number, frame)
        self.stop = Interrupted(signal.Signals(number).name, 128 + number)
        with suppress(OSError):  # print is not safe in signal handlers
            os.write(2, b"\nstopping after the current batch; a second signal stops at once\n")

    def asked(self) -> Interrupted | None:
        """Return why the run must end, if it must; files and guards are read once a second."""
        now = time.monotonic()
        if self.stop is None and now >= self.next_look:
            self.next_look = now + 1
            for guard in (Stops.look, *self.guards):
                with suppress(OSError):  # a sensor or a network disk that does not answer
                    reason = guard(self)
                    if self.stop is None and reason:
                        self.stop = Interrupted(reason, STOPPED)
        return self.stop

    def may_wait(self, seconds: float) -> bool:
        """Wait, unless the run must end; return whether it may continue."""
        if self.stop is None and (reason := self.look()):
            self.stop = Interrupted(reason, STOPPED)
        if self.stop is None:
            time.sleep(seconds)
        return self.stop is None

    def look(self) -> str | None:
        """Return whether the time is over or the file STOP exists."""
        if time.monotonic() + self.reserve >= self.end:
            return "timeout"
        with suppress(OSError):
            return "STOP" if self.file.exists() else None
        return None
