"""Finding the lines that tell of trials: most of a log is passed over without being decoded.

Each block is searched for a few literals, and only lines that hold one are looked at. A single
byte is found at ten gigabytes a second, a regex that begins with a literal passes over two, any
other over a thirtieth of that. A block in which nothing but finished trials of the current study
is told is skimmed: each `T` in it begins such a line, and each brace is in one.

Lines of runs and studies are searched for only where a trial does not go on with what is known: a
trial whose best trial, as its line names it, is the study's own cannot be of another study.
"""

from __future__ import annotations

import re
from collections import deque

from recover_trials.dispatch import Lines
from recover_trials.findings import Findings
from recover_trials.hpogen_log import hpogen_lines
from recover_trials.hpogen_log.studies import OwnStudies
from recover_trials.legacy import start_lines
from recover_trials.optuna_log.regular_lines import REGULAR, regular_lines, row_of, rows_of
from recover_trials.optuna_log.runs import Runs
from recover_trials.optuna_log.stamps import LENGTH
from recover_trials.patterns import pattern

ANSI = pattern(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\r\n]*(?:\x07|\x1b\\)|[@-Z\\^_])")
# Every line of a trial.
TRIAL = re.compile(rb"rial(?:[# ]\d| resulted in value| status as TrialState)")
# Lines of runs, studies and runners.
OPENING = re.compile(
    rb"\] (?:Run [0-9a-f]|A new study|Using an existing|Starting|Running|PASS|FAIL|hpo_|Skip"
    rb"|Completed|Finished:)"
)
# The same without a time stamp or a count before them.
LOOSE = (pattern(rb"study (?:created|with )"), pattern(rb"unning HPO: "))
LINE_END = pattern(rb"[\r\n]|\Z")
LINE_ENDS = (b"", b"\n", b"\r")  # a block begins with a line
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

    def feed(self, block: bytes, *, final: bool = False) -> None:
        """Take a block; the last one may end within a line."""
        lines = self.lines
        if lines.printed is None and not (lines.stops or lines.quoted or self.own.here):
            found = regular_lines(block)
            if found is not None:
                block = self.skim(block, found)
        if block or final:
            self.search(block, final=final)

    def skim(self, block: bytes, found: list[re.Match[bytes]]) -> bytes:
        """Take finished trials as long as they go on with what is known; return the rest."""
        rows = rows_of(found) if found else []
        if rows is None:
            return block
        taken = self.runs.go_on(rows)
        position = found[taken - 1].end() if taken else 0
        if taken:
            self.settled, self.lines.stamped = self.index, True
        done = block if taken == len(rows) else block[:position]
        if position or len(done) >= LONGEST_BETWEEN:
            self.before = done[position:]
        else:
            self.before += done
        self.keep(done, 0)
        return block[len(done) :]

    def search(self, block: bytes, *, final: bool) -> None:
        """Take the lines of a block one by one."""
        if b"\x1b" in block:
            block = ANSI.sub(b"", block)
        self.block, self.final, self.position, self.seen = block, final, 0, 0
        if self.lines.printed is not None:
            self.read_printed()
        for match in TRIAL.finditer(block):
            start = match.start()
            if start >= self.position and not self.known(start):
                self.look_back(start)
                self.take_at(start)
        if final:
            self.look_back(len(block))
        self.gap, self.begin = self.position, len(block)
        if self.lines.stops:
            self.lines.note_stop(self.between())
        self.before = self.between()
        self.keep(block, self.seen)

    def keep(self, block: bytes, seen: int) -> None:
        """Keep what was not searched for openings; what trials went on behind is forgotten."""
        self.unseen.append((self.index, block, seen, len(block)))
        self.index, self.kept = self.index + 1, self.kept + len(block)
        while self.kept > KEPT and self.unseen:
            index, block, start, end = self.unseen.popleft()
            self.kept -= len(block)
            if index >= self.settled:
                self.open_in(block, start, end)

    def known(self, start: int) -> bool:
        """Take what the commonest lines say; tell whether there is one at a position."""
        begin = start - 1 - LENGTH
        if begin < self.position or self.block[begin - 1 : begin] not in LINE_ENDS:
            return False
        if self.lines.ours and self.evaluated(begin):
            return True
        return not (self.lines.quoted or self.own.here) and self.finished(begin)

    def evaluated(self, begin: int) -> bool:
        """Take the evaluation of a search script at a position, if it is one."""
        found = hpogen_lines.find_evaluation(self.block, begin)
        if found is None:
            return False
        self.look_back(begin)
        self.own.evaluate(found[0])
        self.position = self.seen = found[1]
        return True

    def finished(self, begin: int) -> bool:
        """Take a finished trial of which nothing is unusual; tell whether it is one."""
        match = REGULAR.match(self.block, begin)
        row = row_of(match) if match else None
        if not match or not row:
            return False
        if self.runs.go_on([row]):
            self.settled = self.index
        else:
            self.look_back(begin)
            number, value, time, parameters, best = row
            params = parameters.of(0)
            if self.own.here or params is None:
                return False
            self.runs.finish(number, value, time, params, best)
        self.lines.stamped, self.position = True, match.end()
        return True

    def look_back(self, stop: int) -> None:
        """Take the lines of runs, studies and runners that stand before a position."""
        while self.unseen:
            _, block, start, end = self.unseen.popleft()
            self.kept -= len(block)
            self.open_in(block, start, end)
        if self.seen < self.position:  # passed over by trials that went on
            self.open_in(self.block, self.seen, self.position)
            self.seen = self.position
        start, self.seen = self.seen, max(self.seen, stop)
        for found in self.openings(self.block, start, stop):
            if found >= self.position:
                self.take_at(found)

    def open_in(self, block: bytes, start: int, end: int) -> None:
        """Take such lines in a part of an earlier block."""
        if block.find(b"\x1b", start, end) >= 0:
            block = ANSI.sub(b"", block[start:end])
            start, end = 0, len(block)
        for found in self.openings(block, start, end):
            begin = max(block.rfind(b"\n", start, found), block.rfind(b"\r", start, found)) + 1
            stop = LINE_END.search(block, found)
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
        begin = max(begin, block.rfind(b"\r", begin, start) + 1)
        back = block.find(b"\r", start, end)
        end = end if back < 0 else back
        line = block[begin:end].decode("utf-8", "replace")
        self.gap, self.begin, self.position = self.position, begin, end
        self.seen = max(self.seen, end)
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
