"""Search for the lines about trials in any text, without decoding the rest of a log.

It searches each block for a few literals and decodes only the lines that hold one. A regular
expression that begins with a literal reads gigabytes per second; others are about 30 times slower.
"""

from __future__ import annotations

import re

from recover_trials.hpogen_log import hpogen_lines
from recover_trials.hpogen_log.reader import Version2Reader
from recover_trials.hpogen_log.studies import HpogenStudies
from recover_trials.legacy import start_lines
from recover_trials.optuna_log.continued import statement_at, whole_statements
from recover_trials.optuna_log.frequent_lines import Content, Mention, mentions_of
from recover_trials.optuna_log.optuna_lines import Result
from recover_trials.optuna_log.runs import OptunaRuns
from recover_trials.optuna_log.stamps import LENGTH
from recover_trials.program_of_line import Dispatcher
from recover_trials.skipped_lines import Findings

ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\r\n]*(?:\x07|\x1b\\)|[@-Z\\^_])")
# Lines of runs, studies and runners.
OPENING = re.compile(
    rb"\] (?:Run [0-9a-f]|A new study|Using an existing|Starting|Running|PASS|FAIL|hpo_|Skip"
    rb"|Completed|Finished:)"
)
# The same without a time stamp or a counter.
LOOSE = (
    re.compile(
        rb"study (?:created(?<!\] A new study created)|with (?<!\] Using an existing study with ))"
    ),
    re.compile(rb"unning HPO: (?<!\] Running HPO: )"),
)
FORCED = b"Forced dropout="  # such a line precedes a start line
LINE_ENDS = (b"", b"\n", b"\r")  # b"": a block begins with a line
LONGEST_BETWEEN = 64 * 1024

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
        self.hpogen = hpogen
        self.held = b""  # a line whose parameters may continue in the next block
        self.before = b""  # the text since the last line that was read
        self.block, self.final = b"", False
        self.has_loose = False  # whether opening lines lack stamps and counters
        self.gap = self.begin = self.position = 0

    def feed(self, block: bytes, *, final: bool = False) -> None:
        """Read a block; the last one may end within a line."""
        if self.held:
            block = self.held + block
        size = len(block) if final else whole_statements(block)
        block, self.held = block[:size], block[size:]
        if b"\x1b" in block:
            block = ANSI.sub(b"", block)
        self.block, self.final, self.position, self.gap = block, final, 0, 0
        self.read_pending_params()
        self.read_lines()
        self.gap, self.begin = self.position, len(block)
        if self.dispatcher.early_stop_may_follow:
            self.dispatcher.read_early_stop(self.between())
        self.before = self.between()

    def mentions(self) -> list[Mention]:
        """Return the lines about trials, runs, studies and runners."""
        block, has_loose = self.block, self.has_loose or not self.dispatcher.has_stamps
        openings = [match.start() for match in OPENING.finditer(block)]
        for regex in LOOSE if has_loose else ():
            loose = [match.start() for match in regex.finditer(block)]
            self.has_loose |= bool(loose)
            openings += loose
        return sorted([*mentions_of(block), *((start, None, 0) for start in openings)])

    def read_lines(self) -> None:
        """Read the lines of the block, the regular ones between two others at once."""
        is_plain = self.dispatcher.is_plain
        regular: list[Content] = []
        for start, content, end in self.mentions():
            if start < self.position:
                continue
            if content and is_plain and not self.is_forced(content, start):
                regular.append(content)
                self.position = end
                continue
            self.dispatcher.read_regular(regular)
            regular = []
            if not self.read_evaluation(start):
                self.read_at(start)
            is_plain = self.dispatcher.is_plain
        self.dispatcher.read_regular(regular)

    def is_forced(self, content: Content, start: int) -> bool:
        """Return whether the text before a start line may hold the dropout that was forced."""
        if isinstance(content, Result):
            return False
        is_first = self.position == 0 and FORCED in self.before
        return is_first or self.block.find(FORCED, self.position, start) >= 0

    def read_evaluation(self, start: int) -> bool:
        """Read an evaluation of an hpogen script at a position; return whether there is one."""
        begin = start - 1 - LENGTH
        if (
            not self.dispatcher.has_hpogen_lines
            or begin < self.position
            or self.block[begin - 1 : begin] not in LINE_ENDS
        ):
            return False
        evaluation = hpogen_lines.find_evaluation(self.block, begin)
        if evaluation is None:
            return False
        self.hpogen.evaluate(evaluation[0])
        self.position = evaluation[1]
        return True

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
        self.dispatcher.read_line(line, self.between, ended=end < len(block) or not self.final)
        self.read_pending_params()

    def between(self) -> bytes:
        """Return the text between the last line that was read and this one."""
        gap = self.block[self.gap : self.begin]
        return (self.before + gap if self.gap == 0 else gap)[-LONGEST_BETWEEN:]

    def read_pending_params(self) -> None:
        """Read the parameters on the next lines."""
        while self.dispatcher.pending_params is not None and self.position < len(self.block):
            begin = self.position
            while self.block[begin : begin + 1] in (b"\r", b"\n"):
                begin += 1
            end = self.block.find(b"\n", begin)
            if end < 0 and self.final:
                self.dispatcher.pending_params = None
                return
            line = self.block[begin : len(self.block) if end < 0 else end]
            pair = start_lines.read_parameter(line.decode("utf-8", "replace").rstrip("\r"))
            if pair:
                self.dispatcher.pending_params[pair[0]] = pair[1]
            elif line.strip(b"=-"):
                self.dispatcher.pending_params = None
                return
            self.position = begin + len(line)
