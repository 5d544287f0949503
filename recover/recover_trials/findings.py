"""What a file holds besides trials, counted."""

from __future__ import annotations

from collections import Counter
from typing import Any

from recover_trials.record import Record


class Unmatched(Record):
    """Lines of a kind that is left out: how many, and the first of them."""

    FIELDS = ("count", "sample")

    def __init__(self, count: int = 0, sample: str = "") -> None:
        self.count, self.sample = count, sample

    def add(self, text: str) -> None:
        """Count a line."""
        self.count += 1
        self.sample = self.sample or text.strip()[:200]


class Findings(Record):
    """What was found in one file besides trials.

    Attributes:
        damaged: lines of search scripts, or of journals, that are not whole.
        refused: the numbers of such lines, in a log of version 2.
        unmatched: lines that name a trial in no known form.
        unstamped: ends of trials without a time stamp in a log whose lines have one: quotations.
        later: kinds of lines that only a later version knows, with their counts.
        dry_runs: trials of dry runs, which train nothing.
        problems: what else is wrong with the file, a sentence each.
    """

    FIELDS = (*("damaged", "refused", "unmatched", "unstamped", "later", "dry_runs", "problems"),)

    def __init__(self, **more: Any) -> None:
        self.damaged = self.dry_runs = 0
        self.refused: list[int] = []
        self.unmatched, self.unstamped = Unmatched(), Unmatched()
        self.later: Counter[str] = Counter()
        self.problems: list[str] = []
        self.fill(more)
