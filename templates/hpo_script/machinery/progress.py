"""Progress: one live line on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import sys
import time
from datetime import timedelta

from hpo_script.machinery.log_file import say


class Progress:
    """How far the trial and the study are, and the time that both may still take."""

    def __init__(self, n_trials: int) -> None:
        self.n_trials, self.durations = n_trials, list[float]()
        self.live = bool(sys.stderr) and sys.stderr.isatty()  # None where it is closed

    def begin(self, number: int, about: str) -> None:
        self.trials_left = self.n_trials - number - 1
        self.title = f"trial {number} of {self.n_trials}  {about}"
        self.since = self.shown = time.monotonic()
        self.first: float | None = None  # the share that an earlier run did

    def update(self, share: float) -> None:
        """Show the share of the trial that is done, now and then."""
        now = time.monotonic()
        self.first = share if self.first is None else self.first
        if share > self.first and now - self.shown > (0.5 if self.live else 60.0):
            self.shown, whole = now, (now - self.since) / (share - self.first)
            self.show(f"{share:4.0%}", whole * (1 - share), whole, end="\r")

    def end(self, text: str) -> None:
        self.durations.append(time.monotonic() - self.since)
        self.show(text, 0.0)

    def show(self, text: str, left: float, whole: float = 0.0, end: str = "\n") -> None:
        """Show the trial, the seconds left of it, and those of all others at the mean so far."""
        mean = sum(self.durations) / len(self.durations) if self.durations else whole
        trial = timedelta(seconds=round(left))
        study = timedelta(seconds=round(left + self.trials_left * mean))
        clear, end = ("\x1b[K", end) if self.live else ("", "\n")
        say(f"{clear}{self.title}  {text}  time left: trial {trial}, study {study}", end=end)
