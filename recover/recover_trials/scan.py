"""Search for the lines about trials in any text, without decoding the rest of a log.

It searches each block for a few literals and decodes only the lines that hold one. A search for a
single byte reads 10 GB/s, a regular expression that begins with a literal 2 GB/s; others are about
30 times slower. A block takes the fast path if all its lines about trials are regular: each `T` in
the block begins such a line, and each brace is in such a line.

The scanner searches for opening lines (of runs, studies and runners) only before a line that may
belong to another study. A line that names the best trial of the current study does not need it.
"""

from __future__ import annotations

import re
from collections import deque

from recover_trials.dispatch import Dispatcher
from recover_trials.findings import Findings
from recover_trials.hpogen_log import hpogen_lines
from recover_trials.hpogen_log.reader import Version2Reader
from recover_trials.hpogen_log.studies import HpogenStudies
from recover_trials.legacy import start_lines
from recover_trials.optuna_log.continued import statement_at, whole_statements
from recover_trials.optuna_log.regular_lines import REGULAR, regular_lines, row_of, rows_of
from recover_trials.optuna_log.runs import OptunaRuns
from recover_trials.optuna_log.stamps import LENGTH

ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\r\n]*(?:\x07|\x1b\\)|[@-Z\\^_])")
# A part of every line about a trial.
TRIAL = re.compile(rb"rial(?:[# ]\d| resulted in value| status as TrialState)")
# Lines of runs, studies and runners.
OPENING = re.compile(
    rb"\] (?:Run [0-9a-f]|A new study|Using an existing|Starting|Running|PASS|FAIL|hpo_|Skip"
    rb"|Completed|Finished:)"
)
# The same without a time stamp or a counter.
LOOSE = (re.compile(rb"study (?:created|with )"), re.compile(rb"unning HPO: "))
LINE_END = re.compile(rb"[\r\n]|\Z")
LINE_ENDS = (b"", b"\n", b"\r")  # b"": a block begins with a line
LONGEST_BETWEEN = 64 * 1024
KEPT = 4 << 20  # bytes of the blocks that may still be searched for opening lines

# Fields of version 2 only: the run line has most of them, an end line the last one.
VERSION2_FIELDS = re.compile(
    rb"[:,] (?:log_version|trial_seconds|code_sha256|baselines|learning_curve)="
)
HEAD = 4096


def reader_of(
    head: bytes, findings: Findings, hpogen: HpogenStudies, runs: OptunaRuns
) -> Scanner | Version2Reader:
    """Return the reader for a text that begins with `head`."""
    scanner = Scanner(findings, hpogen, runs)
    field = VERSION2_FIELDS.search(head, 0, HEAD)
    begin = head.rfind(b"\n", 0, field.start()) + 1 if field else 0
    line = head[begin:].partition(b"\n")[0].decode("utf-8", "replace") if field else ""
    if hpogen_lines.HPOGEN.match(line) or hpogen_lines.LINE_END.search(line):
        return Version2Reader(findings, hpogen, scanner)
    return scanner


class Scanner:
    """Reads one file, block after block; blocks end with a line."""

    def __init__(self, findings: Findings, hpogen: HpogenStudies, runs: OptunaRuns) -> None:
        self.dispatcher = Dispatcher(findings, hpogen, runs)
        self.hpogen, self.runs = hpogen, runs
        self.held = b""  # a line whose parameters may continue in the next block
        self.before = b""  # the text since the last line that was read
        # Parts of blocks that are not yet searched for opening lines.
        self.unseen: deque[tuple[int, bytes, int, int]] = deque()
        self.index = self.kept = self.settled = 0
        self.seen = self.gap = self.begin = self.position = 0

    def feed(self, block: bytes, *, final: bool = False) -> None:
        """Read a block; the last one may end within a line."""
        if self.held:
            block = self.held + block
        size = len(block) if final else whole_statements(block)
        block, self.held = block[:size], block[size:]
        state = self.dispatcher
        expects_others = state.may_stop_early or state.error or self.hpogen.in_file
        if state.printed is None and not expects_others:
            lines = regular_lines(block)
            if lines is not None:
                block = self.read_regular(block, lines)
        if block or final:
            self.search(block, final=final)

    def read_regular(self, block: bytes, lines: list[re.Match[bytes]]) -> bytes:
        """Read regular lines of the current study; return the block from the first other line."""
        rows = rows_of(lines) if lines else []
        if rows is None:
            return block
        count = self.runs.add_regular(rows)
        position = lines[count - 1].end() if count else 0
        if count:
            self.settled, self.dispatcher.has_stamps = self.index, True
        done = block if count == len(rows) else block[:position]
        if position or len(done) >= LONGEST_BETWEEN:
            self.before = done[position:]
        else:
            self.before += done
        self.keep(done, 0)
        return block[len(done) :]

    def search(self, block: bytes, *, final: bool) -> None:
        """Read the lines of a block one by one."""
        if b"\x1b" in block:
            block = ANSI.sub(b"", block)
        self.block, self.final, self.position, self.seen = block, final, 0, 0
        if self.dispatcher.printed is not None:
            self.read_printed()
        for match in TRIAL.finditer(block):
            start = match.start()
            if start >= self.position and not self.read_common(start):
                self.read_openings(start)
                self.read_at(start)
        if final:
            self.read_openings(len(block))
        self.gap, self.begin = self.position, len(block)
        if self.dispatcher.may_stop_early:
            self.dispatcher.read_early_stop(self.between())
        self.before = self.between()
        self.keep(block, self.seen)

    def keep(self, block: bytes, seen: int) -> None:
        """Keep a block that may have opening lines; blocks before regular lines are skipped."""
        self.unseen.append((self.index, block, seen, len(block)))
        self.index, self.kept = self.index + 1, self.kept + len(block)
        while self.kept > KEPT and self.unseen:
            index, block, start, end = self.unseen.popleft()
            self.kept -= len(block)
            if index >= self.settled:
                self.open_in(block, start, end)

    def read_common(self, start: int) -> bool:
        """Read a line of the most frequent kinds at a position; return whether there is one."""
        begin = start - 1 - LENGTH
        if begin < self.position or self.block[begin - 1 : begin] not in LINE_ENDS:
            return False
        if self.dispatcher.has_hpogen_lines and self.read_evaluation(begin):
            return True
        return not (self.dispatcher.error or self.hpogen.in_file) and self.read_finished(begin)

    def read_evaluation(self, begin: int) -> bool:
        """Read an evaluation of an hpogen script at a position; return whether there is one."""
        evaluation = hpogen_lines.find_evaluation(self.block, begin)
        if evaluation is None:
            return False
        self.read_openings(begin)
        self.hpogen.evaluate(evaluation[0])
        self.position = self.seen = evaluation[1]
        return True

    def read_finished(self, begin: int) -> bool:
        """Read a regular line at a position; return whether there is one."""
        match = REGULAR.match(self.block, begin)
        row = row_of(match) if match else None
        if not match or not row:
            return False
        if self.runs.add_regular([row]):
            self.settled = self.index
        else:
            self.read_openings(begin)
            number, value, time, params, best = row
            if self.hpogen.in_file or params is None:
                return False
            self.runs.finish(number, value, time, params, best)
        self.dispatcher.has_stamps, self.position = True, match.end()
        return True

    def read_openings(self, stop: int) -> None:
        """Read the opening lines before a position."""
        while self.unseen:
            _, block, start, end = self.unseen.popleft()
            self.kept -= len(block)
            self.open_in(block, start, end)
        if self.seen < self.position:  # regular lines were read without a search
            self.open_in(self.block, self.seen, self.position)
            self.seen = self.position
        start, self.seen = self.seen, max(self.seen, stop)
        for opening in self.openings(self.block, start, stop):
            if opening >= self.position:
                self.read_at(opening)

    def open_in(self, block: bytes, start: int, end: int) -> None:
        """Read the opening lines in a part of an earlier block."""
        if block.find(b"\x1b", start, end) >= 0:
            block = ANSI.sub(b"", block[start:end])
            start, end = 0, len(block)
        for opening in self.openings(block, start, end):
            begin = max(block.rfind(sign, start, opening) for sign in (b"\n", b"\r")) + 1
            stop = LINE_END.search(block, opening)
            line = block[begin or start : stop.start() if stop else end]
            self.dispatcher.read_line(line.decode("utf-8", "replace"), bytes, ended=True)

    def openings(self, block: bytes, start: int, end: int) -> list[int]:
        """Return positions within the opening lines of a part of a block."""
        positions = [match.start() for match in OPENING.finditer(block, start, end)]
        if positions or not self.dispatcher.has_stamps:
            loose = (match for regex in LOOSE for match in regex.finditer(block, start, end))
            positions = sorted([*positions, *(match.start() for match in loose)])
        return positions

    def read_at(self, start: int) -> None:
        """Read the line around a position."""
        block = self.block
        begin = block.rfind(b"\n", self.position, start) + 1 or self.position
        end = block.find(b"\n", start)
        end = len(block) if end < 0 else end
        begin = max(begin, block.rfind(b"\r", begin, start) + 1)
        back = block.find(b"\r", start, end)
        end = end if back < 0 else back
        whole, end = statement_at(block, begin, end)
        line = whole.decode("utf-8", "replace")
        self.gap, self.begin, self.position = self.position, begin, end
        self.seen = max(self.seen, end)
        self.dispatcher.read_line(line, self.between, ended=end < len(block) or not self.final)
        if self.dispatcher.printed is not None:
            self.read_printed()

    def between(self) -> bytes:
        """Return the text between the last line that was read and this one."""
        gap = self.block[self.gap : self.begin]
        return (self.before + gap if self.gap == 0 else gap)[-LONGEST_BETWEEN:]

    def read_printed(self) -> None:
        """Read the parameters on the next lines."""
        while self.dispatcher.printed is not None and self.position < len(self.block):
            begin = self.position
            while self.block[begin : begin + 1] in (b"\r", b"\n"):
                begin += 1
            end = self.block.find(b"\n", begin)
            if end < 0 and self.final:
                self.dispatcher.printed = None
                return
            line = self.block[begin : len(self.block) if end < 0 else end]
            pair = start_lines.read_parameter(line.decode("utf-8", "replace").rstrip("\r"))
            if pair:
                self.dispatcher.printed[pair[0]] = pair[1]
            elif line.strip(b"=-"):
                self.dispatcher.printed = None
                return
            self.position = begin + len(line)
