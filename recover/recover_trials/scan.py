"""Finding the lines that tell of trials: most of a log is passed over without being decoded.

Each block is searched for a few literals, and only lines that hold one are looked at. A regex that
begins with a literal passes over two gigabytes a second, any other a thirtieth of that. Lines of
runs and studies are searched for only where a trial does not go on with what is known: a trial
whose best trial, as its line names it, is the study's own cannot be of another study.
"""

from __future__ import annotations

import re
from collections import deque
from datetime import datetime
from typing import Any

from recover_trials import own_log
from recover_trials.findings import Findings
from recover_trials.fold.own import OwnStudies
from recover_trials.fold.runs import Runs
from recover_trials.formats import start_lines
from recover_trials.formats.stamps import LENGTH
from recover_trials.lines import Lines
from recover_trials.literals import parse_mapping, scan_json

ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\r\n]*(?:\x07|\x1b\\)|[@-Z\\^_])")
FLOAT = rb"-?(?:\d+\.\d+(?:e[-+]\d+)?|\d+e[-+]\d+|inf)"
# Every line of a trial; the groups are those of a finished one of which nothing is unusual.
TRIAL = re.compile(
    rb"rial(?:[# ](\d{1,9})(?: finished with value: (" + FLOAT + rb") and parameters: "
    rb"(\{[^{}\"\\\r\n]*\})\. Best is trial (\d{1,9}) with value: (" + FLOAT + rb")\.(?=[\r\n]))?"
    rb"| resulted in value| status as TrialState)"
)
# Lines of runs, studies and runners.
OPENING = re.compile(
    rb"\] (?:Run [0-9a-f]|A new study|Using an existing|Starting|Running|PASS|FAIL|hpo_|Skip"
    rb"|Completed|Finished:)"
)
# The same without a time stamp or a count before them.
LOOSE = (re.compile(rb"study (?:created|with )"), re.compile(rb"unning HPO: "))
BRACKET, LINE_ENDS = ord("["), b"\r\n"
LONGEST_BETWEEN = 64 * 1024
KEPT = 4 << 20  # bytes in which lines of runs and studies may be looked for later


class Scanner:
    """Reads one file, block after block; blocks end with a line."""

    def __init__(self, findings: Findings, own: OwnStudies, runs: Runs) -> None:
        self.lines = Lines(findings, own, runs)
        self.own, self.runs = own, runs
        self.before = b""  # what stood behind the last line that was looked at
        self.unseen: deque[tuple[int, bytes, int, int]] = deque()  # not searched for openings
        self.index = self.kept = self.settled = 0
        self.seen = self.gap = self.begin = self.position = 0
        self.best: tuple[bytes, bytes, int, float] = (b"", b"", -1, 0.0)

    def feed(self, block: bytes, *, final: bool = False) -> None:
        """Take a block; the last one may end within a line."""
        if b"\x1b" in block:
            block = ANSI.sub(b"", block)
        self.block, self.final, self.position, self.seen = block, final, 0, 0
        self.returns = b"\r" in block
        if self.lines.printed is not None:
            self.read_printed()
        for match in TRIAL.finditer(block):
            if match.start() >= self.position and not (match[2] and self.finished(match)):
                self.look_back(match.start())
                self.take_at(match.start())
        if final:
            self.look_back(len(block))
        self.gap, self.begin = self.position, len(block)
        if self.lines.stops:
            self.lines.note_stop(self.between())
        self.before = self.between()
        self.keep()

    def keep(self) -> None:
        """Keep what was not searched for openings; what trials went on behind is forgotten."""
        self.unseen.append((self.index, self.block, self.seen, len(self.block)))
        self.index, self.kept = self.index + 1, self.kept + len(self.block)
        while self.kept > KEPT and self.unseen:
            index, block, start, end = self.unseen.popleft()
            self.kept -= len(block)
            if index >= self.settled:
                self.open_in(block, start, end)

    def finished(self, match: re.Match[bytes]) -> bool:
        """Take a finished trial of which nothing is unusual; tell whether it is one."""
        block, end = self.block, match.start()
        start = end - LENGTH - 1
        if start < self.position or block[start] != BRACKET or block[end - 3 : end] != b"] T":
            return False
        alone = start == 0 or block[start - 1] in LINE_ENDS
        if not alone or self.lines.quoted or self.own.here:
            return False
        number, value, told, best, best_value = match.groups()
        if best != self.best[0] or best_value != self.best[1]:
            self.best = best, best_value, int(best), float(best_value)
        try:
            time = datetime.fromisoformat(block[start + 3 : end - 3].replace(b",", b".").decode())
        except ValueError:
            return False
        params = parameters(told)
        if params is None:
            return False
        known = (int(number), float(value), time, params, self.best[2], self.best[3])
        if self.runs.goes_on(*known):
            self.settled = self.index
        else:
            self.look_back(end)
            if self.own.here:
                return False
            self.runs.finish(*known)
        self.lines.stamped, self.position = True, match.end()
        return True

    def look_back(self, stop: int) -> None:
        """Take the lines of runs, studies and runners that stand before a position."""
        while self.unseen:
            _, block, start, end = self.unseen.popleft()
            self.kept -= len(block)
            self.open_in(block, start, end)
        start, self.seen = self.seen, max(self.seen, stop)
        for found in self.openings(self.block, start, stop):
            if found >= self.position:
                self.take_at(found)

    def open_in(self, block: bytes, start: int, end: int) -> None:
        """Take such lines in a part of an earlier block."""
        for found in self.openings(block, start, end):
            begin = max(block.rfind(b"\n", start, found), block.rfind(b"\r", start, found)) + 1
            stop = re.compile(rb"[\r\n]|\Z").search(block, found)
            line = block[begin or start : stop.start() if stop else end]
            self.lines.take(line.decode("utf-8", "replace"), bytes, ended=True)

    def openings(self, block: bytes, start: int, end: int) -> list[int]:
        """Return where lines of runs, studies and runners are in a part of a block."""
        found = [match.start() for match in OPENING.finditer(block, start, end)]
        if found or not self.lines.stamped:
            loose = (match for regex in LOOSE for match in regex.finditer(block, start, end))
            found = sorted([*found, *(match.start() for match in loose)])
        return found

    def take_at(self, start: int) -> None:
        """Take the line that a position is in."""
        block = self.block
        begin = block.rfind(b"\n", self.position, start) + 1 or self.position
        end = block.find(b"\n", start)
        end = len(block) if end < 0 else end
        if self.returns:
            begin = max(begin, block.rfind(b"\r", begin, start) + 1)
            back = block.find(b"\r", start, end)
            end = end if back < 0 else back
        line = block[begin:end].decode("utf-8", "replace")
        evaluation = own_log.read_evaluation(line) if line.startswith("[") else None
        self.gap, self.begin, self.position = self.position, begin, end
        if evaluation:
            self.lines.stamped = self.lines.ours = True
            self.own.evaluate(evaluation)
            return
        self.lines.take(line, self.between, ended=end < len(block) or not self.final)
        if self.lines.printed is not None:
            self.read_printed()

    def between(self) -> bytes:
        """Return what stands between the line that was looked at last and this one."""
        gap = self.block[self.gap : self.begin]
        return (self.before + gap if self.gap == 0 else gap)[-LONGEST_BETWEEN:]

    def read_printed(self) -> None:
        """Take the parameters that stand on the next lines."""
        while self.lines.printed is not None and self.position < len(self.block):
            begin = self.position
            while self.block[begin : begin + 1] in (b"\r", b"\n"):
                begin += 1
            end = self.block.find(b"\n", begin)
            if end < 0 and self.final:
                self.lines.printed = None
                return
            line = self.block[begin : len(self.block) if end < 0 else end]
            pair = start_lines.read_parameter(line.decode("utf-8", "replace").rstrip("\r"))
            if pair:
                self.lines.printed[pair[0]] = pair[1]
            elif line.strip(b"=-"):
                self.lines.printed = None
                return
            self.position = begin + len(line)


def parameters(text: bytes) -> dict[str, Any] | None:
    """Return parameters in which no quotation mark is escaped and no brace is."""
    try:
        found: dict[str, Any] = scan_json(text.replace(b"'", b'"').decode(), 0)[0]
    except (ValueError, StopIteration):
        return parse_mapping(text.decode("utf-8", "replace"))
    return found
