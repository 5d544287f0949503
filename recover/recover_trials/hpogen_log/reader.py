"""Reader of logs of version 2: every line is a whole event, or it is reported as damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recover_trials.hpogen_log import hpogen_lines
from recover_trials.hpogen_log.studies import HpogenStudies
from recover_trials.legacy import banners
from recover_trials.optuna_log import optuna_lines
from recover_trials.optuna_log.stamps import follows_stamp
from recover_trials.skipped_lines import Findings

if TYPE_CHECKING:
    from recover_trials.scan import Scanner

EMPTY = "\0 \t\r"  # a crash can leave a hole of zeros in a file


class Version2Reader:
    """Reads one file, block after block; blocks end with a line.

    From the first line of another program on, the scanner reads the rest.
    """

    def __init__(self, findings: Findings, hpogen: HpogenStudies, scanner: Scanner) -> None:
        self.findings, self.hpogen, self.scanner = findings, hpogen, scanner
        self.mixed = False  # whether a line of another program was read
        self.line_number = 0

    def feed(self, block: bytes, *, final: bool = False) -> None:
        """Read a block."""
        position = 0
        while position < len(block) and not self.mixed:
            evaluation = hpogen_lines.find_evaluation(block, position)
            self.line_number += 1
            if evaluation:
                self.hpogen.evaluate(evaluation[0])
                position = evaluation[1]
                continue
            end = block.find(b"\n", position) + 1 or len(block)
            self.read_line(block[position:end].decode("utf-8", "replace"))
            if not self.mixed:
                position = end
        if self.mixed:
            self.scanner.feed(block[position:], final=final)

    def read_line(self, text: str) -> None:
        """Read a line that is not a whole evaluation."""
        events, damaged, rest = hpogen_lines.parse_events(text)
        for event in events:
            self.hpogen.add(event)
        if not (events or damaged or rest.strip(EMPTY)):
            self.findings.later.update(hpogen_lines.later_heads(text))
        rest = rest.strip(f"{EMPTY}\n")
        if not (events or damaged) and is_line_of_other_program(rest):
            self.mixed = self.scanner.dispatcher.has_hpogen_lines = True
        elif damaged or rest:
            self.findings.damaged += 1
            self.findings.refused.append(self.line_number)


def is_line_of_other_program(text: str) -> bool:
    """Return whether a line is a whole line of Optuna or a banner, which hpogen does not write."""
    if hpogen_lines.LINE_END.search(text):
        return False
    statements = optuna_lines.parse_statements(text, ended=True)
    if any(follows_stamp(text, statement.start) for statement in statements):
        return True
    banner = banners.parse_banner(text)
    return banner is not None and banner[1] == 0
