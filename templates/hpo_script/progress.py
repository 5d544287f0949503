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

    def update(self, share: float) -> None:
        """Take the share of the trial that is done; show it if it is time to."""
        now = time.monotonic()
        if now - self.shown > (0.5 if self.live else 60.0):
            self.shown = now
            left = (now - self.since) * (1 - share) / share
            text = f"{self.title}  {share:4.0%}  {self.eta(left, now - self.since + left)}"
            say(f"\x1b[K{text}", end="\r") if self.live else say(text)

    def eta(self, left: float, whole: float) -> str:
        """Return when trial and study may end: as long as the mean trial for each to come."""
        mean = sum(self.spent) / len(self.spent) if self.spent else whole
        trial, study = round(left), round(left + self.left_trials * mean)
        return f"ETA {timedelta(seconds=trial)}, of the study {timedelta(seconds=study)}"

    def end(self, text: str) -> None:
        """Close the trial with a line that stays."""
        self.spent.append(time.monotonic() - self.since)
        study = round(self.left_trials * sum(self.spent) / len(self.spent))
        clear = "\x1b[K" if self.live else ""
        say(f"{clear}{self.title}  {text}  ETA of the study {timedelta(seconds=study)}")
