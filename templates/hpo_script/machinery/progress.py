"""Progress: one line on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import sys
import time
from datetime import timedelta

from hpo_script.log_writer import say


class Progress:
    """How far the trial and the study are, and when they may end."""

    def __init__(self, n_trials: int) -> None:
        self.n_trials = n_trials
        self.spent: list[float] = []
        self.live = sys.stderr.isatty()

    def begin(self, started: int, about: str) -> None:
        """Open the `started`-th trial of the study."""
        self.left_trials = self.n_trials - started
        self.title = f"trial {started}/{self.n_trials}  {about}"
        self.since = self.shown = time.monotonic()
        self.first: float | None = None  # the share that was done before

    def update(self, share: float) -> None:
        """Take the share of the trial that is done; show it if it is time to."""
        now = time.monotonic()
        self.first = share if self.first is None else self.first
        if share > self.first and now - self.shown > (0.5 if self.live else 60.0):
            self.shown, whole = now, (now - self.since) / (share - self.first)
            left = whole * (1 - share)
            ends = f"ETA {timedelta(seconds=round(left))}, of the study {self.eta(left, whole)}"
            text = f"{self.title}  {share:4.0%}  {ends}"
            say(f"\x1b[K{text}", end="\r") if self.live else say(text)

    def eta(self, left: float, whole: float) -> timedelta:
        """Return when the study may end: as long as the mean trial for each to come."""
        mean = sum(self.spent) / len(self.spent) if self.spent else whole
        return timedelta(seconds=round(left + self.left_trials * mean))

    def end(self, text: str) -> None:
        """Close the trial with a line that stays."""
        self.spent.append(time.monotonic() - self.since)
        clear = "\x1b[K" if self.live else ""
        say(f"{clear}{self.title}  {text}  ETA of the study {self.eta(0, 0)}")
