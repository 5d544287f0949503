"""What a file holds besides trials, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Unmatched:
    """Lines of a kind that is left out: how many, and the first of them."""

    count: int = 0
    sample: str = ""

    def add(self, text: str) -> None:
        """Count a line."""
        self.count += 1
        self.sample = self.sample or text.strip()[:200]


@dataclass
class Findings:
    """What was found in one file besides trials.

    Attributes:
        damaged: lines of search scripts, or of journals, that are not whole.
        unmatched: lines that name a trial in no known form.
        unstamped: ends of trials without a time stamp in a log whose lines have one: quotations.
        later: kinds of lines that only a later version knows, with their counts.
        dry_runs: trials of dry runs, which train nothing.
        problems: what else is wrong with the file, a sentence each.
    """

    damaged: int = 0
    unmatched: Unmatched = field(default_factory=Unmatched)
    unstamped: Unmatched = field(default_factory=Unmatched)
    later: Counter[str] = field(default_factory=Counter)
    dry_runs: int = 0
    problems: list[str] = field(default_factory=list)
