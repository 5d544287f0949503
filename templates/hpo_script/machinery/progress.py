"""Progress: one live line on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import sys
import time
from datetime import timedelta

from hpo_script.machinery.log_file import say


class Progress:
    """How far the trial is, and the time left for the study at the speed of this run."""

    def __init__(self, n_trials: int) -> None:
        self.n_trials, self.done = n_trials, 0.0  # trials that this run did
        self.live = bool(sys.stderr) and sys.stderr.isatty()  # None where it is closed
        self.began = self.shown = time.monotonic()

    def begin(self, number: int, about: str) -> None:
        self.title = f"trial {number} of {self.n_trials}  {about}"
        self.n_left = self.n_trials - number
        self.share: float | None = None  # of the trial; the first one may be of an earlier run

    def update(self, share: float) -> None:
        """Show the finished share of the trial, if the last display is old enough."""
        self.done += 0.0 if self.share is None else max(share - self.share, 0.0)
        self.share = share
        if time.monotonic() - self.shown > (0.5 if self.live else 60.0):
            self.show(f"{share:4.0%}", self.n_left - share, end="\r")

    def end(self, text: str) -> None:
        self.done += 1 - (self.share or 0.0)
        self.show(text, self.n_left - 1)

    def show(self, text: str, n_left: float, end: str = "\n") -> None:
        self.shown = time.monotonic()
        seconds = n_left * (self.shown - self.began) / self.done if self.done else 0.0
        left = timedelta(seconds=round(seconds))
        clear, end = ("\x1b[K", end) if self.live else ("", "\n")
        say(f"{clear}{self.title}  {text}  time left: {left}", end=end)
