"""Reasons to stop or to pause all scripts: signals, the files STOP and PAUSE, time, heat."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence

from hpo_script.sections.guards import LOOK_SECONDS, Reading, hottest, in_words
from hpogen.run.script_order import LOGS

STOP, PAUSE = LOGS / "STOP", LOGS / "PAUSE"
COOLER = 10.0  # degrees below the limit before the scripts continue


class Heat:
    """The highest temperature, by the sensors of `--with guards`, read every few seconds.

    Unknown temperatures pause nothing.
    """

    def __init__(
        self,
        limit: float | None,
        read: Callable[[], Reading | None] = hottest,
        seconds: float = LOOK_SECONDS,
    ) -> None:
        self.limit, self.read, self.seconds = limit, read, seconds
        self.next_look = 0.0
        self.hot = ""

    def reason(self) -> str:
        """Return why the scripts must pause; empty if they need not."""
        if self.limit is not None and time.monotonic() >= self.next_look:
            self.next_look = time.monotonic() + self.seconds
            found = self.read()
            limit = self.limit - COOLER if self.hot else self.limit
            self.hot = in_words(found) if found and found[0] >= limit else ""
        return self.hot


def stop_reason(signals: Sequence[int], began: float, timeout: float) -> str:
    """Return why a runner must end before the studies do; empty if it need not.

    `began` is by the monotonic clock; `timeout` is in seconds.
    """
    if signals:
        return signal.Signals(signals[0]).name
    if STOP.exists():
        return f"{STOP} exists; remove it to continue later"
    return "timeout" if time.monotonic() - began > timeout else ""


def pause_reason(heat: Heat) -> str:
    """Return why the scripts must free their devices for a while; empty if they need not."""
    return f"{PAUSE} exists" if PAUSE.exists() else heat.reason()
