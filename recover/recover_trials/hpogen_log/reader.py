"""Logs of version 2: each line in them is a whole event, or refused and reported."""

from __future__ import annotations

import re

from recover_trials.findings import Findings
from recover_trials.hpogen_log import hpogen_lines
from recover_trials.hpogen_log.studies import OwnStudies
from recover_trials.legacy import banners
from recover_trials.optuna_log import optuna_lines
from recover_trials.optuna_log.runs import Runs
from recover_trials.optuna_log.stamps import is_right_behind
from recover_trials.scan import Scanner

HEAD = 4096
# Fields that only version 2 has: the run line has most of them, an end line the last one.
FIELDS = re.compile(rb"[:,] (?:log_version|trial_seconds|code_sha256|baselines|learning_curve)=")
EMPTY = "\0 \t\r"  # a hole that a crash left in a file is no line


def reader_of(head: bytes, findings: Findings, own: OwnStudies, runs: Runs) -> Scanner | StudyLog:
    """Return the reader of a text, by its beginning."""
    found = FIELDS.search(head, 0, HEAD)
    begin = head.rfind(b"\n", 0, found.start()) + 1 if found else 0
    line = head[begin:].partition(b"\n")[0].decode("utf-8", "replace") if found else ""
    if hpogen_lines.OURS.match(line) or hpogen_lines.OWN_END.search(line):
        return StudyLog(findings, own, runs)
    return Scanner(findings, own, runs)


class StudyLog:
    """Reads one file, block after block; blocks end with a line."""

    def __init__(self, findings: Findings, own: OwnStudies, runs: Runs) -> None:
        self.findings, self.own = findings, own
        self.scanner = Scanner(findings, own, runs)
        self.mixed = False  # lines of other programs were met: the scanner reads the rest
        self.number = 0  # of the last line

    def feed(self, block: bytes, *, final: bool = False) -> None:
        """Take a block."""
        position = 0
        while position < len(block) and not self.mixed:
            found = hpogen_lines.find_evaluation(block, position)
            self.number += 1
            if found:
                self.own.evaluate(found[0])
                position = found[1]
                continue
            end = block.find(b"\n", position) + 1 or len(block)
            self.take(block[position:end].decode("utf-8", "replace"))
            if not self.mixed:
                position = end
        if self.mixed:
            self.scanner.feed(block[position:], final=final)

    def take(self, text: str) -> None:
        """Take a line that is no whole evaluation."""
        events, damaged, rest = hpogen_lines.read_line(text)
        for event in events:
            self.own.add(event)
        later = [] if events or damaged or rest.strip(EMPTY) else hpogen_lines.later_heads(text)
        self.findings.later.update(later)
        rest = rest.strip(f"{EMPTY}\n")
        if not (events or damaged) and is_foreign(rest):
            self.mixed = self.scanner.lines.ours = True
        elif damaged or rest:
            self.findings.damaged += 1
            self.findings.refused.append(self.number)


def is_foreign(text: str) -> bool:
    """Return whether another program wrote a line: its words stand at the right place."""
    if hpogen_lines.OWN_END.search(text):
        return False
    found = [start for _, start, _ in optuna_lines.read_line(text, ended=True)]
    if any(is_right_behind(text, start) for start in found):
        return True
    banner = banners.read_line(text)
    return banner is not None and banner[1] == 0
