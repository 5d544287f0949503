"""Stops: signals, the file STOP and the timeout end a run after its batch, with a checkpoint."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from hpo_script.constants import TIMEOUT_HOURS
from hpo_script.machinery.log_file import Interrupted

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
STOPPED = 75  # exit code: stopped before the total, run again to continue


class Stops:
    """Everything that may end the run; a guard returns a reason to end it, or None."""

    guards: Sequence[Callable[[Stops], str | None]] = ()  # of sections such as `slurm`

    def __init__(self, file: Path) -> None:
        self.file = file
        self.end = time.monotonic() + (math.inf if TIMEOUT_HOURS is None else 3600 * TIMEOUT_HOURS)
        self.reserve = 0.0  # seconds before the end, for the last checkpoint
        self.stop: Interrupted | None = None
        self.next_look = 0.0
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP
                signal.signal(number, self.on_signal)

    def on_signal(self, number: int, _frame: object) -> None:
        """End the run after the current batch; a second signal ends the process at once."""
        if self.stop:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
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
                    if reason and self.stop is None:  # a signal may have come meanwhile
                        self.stop = Interrupted(reason, STOPPED)
        return self.stop

    def look(self) -> str | None:
        """Return the reason to end the run, timeout or STOP; None without one."""
        if time.monotonic() + self.reserve >= self.end:
            return "timeout"
        return "STOP" if self.file.exists() else None
