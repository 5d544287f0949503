"""Counts of the lines of a file that are not trials."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Skipped:
    """Lines of one kind that are skipped: their count, and the first of them."""

    count: int = 0
    sample: str = ""

    def add(self, text: str) -> None:
        """Count a line."""
        self.count += 1
        self.sample = self.sample or text.strip()[:200]


@dataclass
class Findings:
    """Counts of one file.

    Attributes:
        damaged: lines of hpogen scripts or journals whose checksum or syntax is wrong.
        refused: numbers of the damaged lines, in a log of version 2.
        unmatched: lines that name a trial in an unknown form.
        unstamped: end lines without a time stamp in a log with time stamps, which are quotations.
        later: kinds of lines that only a later version of hpogen writes, with their counts.
        dry_runs: trials of dry runs, which are not trained.
        remarks: facts for the report that are not faults.
        problems: other faults of the file, a sentence each.
    """

    damaged: int = 0
    refused: list[int] = field(default_factory=list)
    unmatched: Skipped = field(default_factory=Skipped)
    unstamped: Skipped = field(default_factory=Skipped)
    later: Counter[str] = field(default_factory=Counter)
    dry_runs: int = 0
    remarks: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
