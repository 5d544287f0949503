"""Dispatch of each line to the parser of the program that wrote it.

Log lines that a traceback quotes are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from recover_trials.hpogen_log import hpogen_lines
from recover_trials.hpogen_log.studies import HpogenStudies
from recover_trials.legacy import banners, end_lines, start_lines
from recover_trials.legacy.start_lines import Start
from recover_trials.optuna_log import optuna_lines
from recover_trials.optuna_log.optuna_lines import Opened, Result
from recover_trials.optuna_log.runs import OptunaRuns
from recover_trials.optuna_log.stamps import (
    EXCEPTION,
    STAMP,
    follows_stamp,
    is_quoted_by,
    is_stamped,
    may_precede,
)
from recover_trials.skipped_lines import Findings

ESCAPED = re.compile(r"""\\(['"\\])""")
MENTION = re.compile(r"\b[Tt]rial[ #]\d{1,9}\b")


class Dispatcher:
    """Parses the lines of one file, in their order."""

    def __init__(self, findings: Findings, hpogen: HpogenStudies, runs: OptunaRuns) -> None:
        self.findings, self.hpogen, self.runs = findings, hpogen, runs
        self.has_stamps = False
        self.has_hpogen_lines = False  # whole or damaged ones
        self.error = ""  # text of the last failure; its traceback may quote log lines
        self.early_stop_may_follow = False  # lines about early stopping may follow
        self.pending_params: dict[str, Any] | None = None  # receives those on the next lines

    def read_line(self, line: str, between: Callable[[], bytes], *, ended: bool) -> None:
        """Read a line.

        Args:
            line: without its line end.
            between: returns the text since the line before.
            ended: whether a line end follows; otherwise the line may be cut.
        """
        if self.early_stop_may_follow:
            self.read_early_stop(between())
        events, damaged, text = hpogen_lines.parse_events(line, foreign=not self.has_hpogen_lines)
        if not events and hpogen_lines.LINE_END.search(text):
            damaged, text = damaged + 1, ""  # a line of hpogen with a damaged time stamp
        self.findings.damaged += damaged
        self.has_stamps |= bool(events or damaged)
        self.has_hpogen_lines |= bool(events or damaged)
        for event in events:
            self.hpogen.add(event)
        if not events and not damaged and not text:
            self.findings.later.update(hpogen_lines.later_heads(line))
        if not text.strip() or self.is_quotation(text):
            return
        if not self.add_statements(text, ended=ended):
            self.read_other(text, between, ended=ended)

    def add_statements(self, text: str, *, ended: bool) -> bool:
        """Add the lines of Optuna in a text; return whether there are any."""
        statements = optuna_lines.parse_statements(text, ended=ended)
        self.count_cut_line(text[: statements[0].start] if statements else "")
        for content, start, stamped, begin in statements:
            self.add_statement(content, text[begin:], start - begin, stamped=stamped)
            if isinstance(content, Opened) and optuna_lines.LINE.search(content.name):
                self.findings.unmatched.add(text)  # the name may hold other lines
        return bool(statements)

    def count_cut_line(self, before: str) -> None:
        """Count a line about a trial that is cut, so that another statement follows it."""
        if any(MENTION.match(before, stamp.end()) for stamp in STAMP.finditer(before)):
            self.findings.unmatched.add(before)

    @property
    def is_plain(self) -> bool:
        """Whether regular lines come from Optuna and can be read without the text around them."""
        others = self.error or self.early_stop_may_follow or self.has_hpogen_lines
        return not (others or self.hpogen.in_file)

    def read_regular(self, contents: list[Result | Start]) -> None:
        """Add regular lines, which have time stamps, to the runs of Optuna."""
        self.has_stamps = self.has_stamps or any(isinstance(one, Result) for one in contents)
        self.runs.add_regular(contents)

    def read_early_stop(self, between: bytes) -> None:
        """Record an early stop if the text between two lines reports one."""
        if stop := end_lines.EARLY_STOP.search(between):
            self.runs.stop_early(int(stop[1]))

    def is_quotation(self, text: str) -> bool:
        """Return whether a line is part of the error text of the last failure."""
        if not self.error:
            return False
        if " failed with value " in text:
            self.error = ""
            return False
        stripped = text.strip()
        exception = EXCEPTION.match(stripped)
        texts = (stripped, stripped[exception.end() :]) if exception else (stripped,)
        return any(unescape_quotes(repr(part)[1:-1]) in self.error for part in texts)

    def add_statement(
        self, content: Result | Opened | Start, text: str, start: int, *, stamped: bool
    ) -> None:
        """Add a line of Optuna to its study; skip it if a traceback quotes it."""
        if is_quoted_by(text[:start]):
            return
        if self.has_hpogen_lines:  # after other text, it is part of a damaged line
            stamped = follows_stamp(text, start)
        if not stamped and (self.has_stamps or not may_precede(text[:start])):
            if not isinstance(content, Opened):
                skipped = self.findings.unstamped if self.has_stamps else self.findings.unmatched
                skipped.add(text)
            return
        self.has_stamps |= stamped
        if not isinstance(content, Result):
            self.open_study_or_start_trial(content)
            return
        if not self.hpogen.in_file or not self.hpogen.claims(content):
            self.runs.end(content)
        if content.error and "rial" in content.error:
            self.error = unescape_quotes(content.error)

    def open_study_or_start_trial(self, content: Opened | Start) -> None:
        """Open the study or start the trial that a line of Optuna reports."""
        if isinstance(content, Opened):
            self.runs.open_study(content)
            self.hpogen.in_file.clear()
        else:
            self.runs.start(content)

    def read_other(self, text: str, between: Callable[[], bytes], *, ended: bool) -> None:
        """Read a line of an older program; count it as unmatched if it only mentions a trial."""
        foreign = not self.has_hpogen_lines
        if started := start_lines.parse_start(text, ended=ended):
            start, position = started
            if "arch_idx=" in text and not hpogen_lines.is_legacy_start(text, foreign=foreign):
                self.findings.damaged += 1  # a line of hpogen, with a damaged stamp or checksum
                return
            if self.may_start_at(text, position):
                self.add_start_line(start, between)
                return
        elif ended_trial := end_lines.parse_end(text, ended=ended):
            result, position = ended_trial
            self.add_statement(result, text, position, stamped=is_stamped(text, position))
            return
        elif banner := banners.parse_banner(text):
            if may_precede(text[: banner[1]]):
                self.runs.add_banner(banner[0])
                self.hpogen.in_file.clear()
            return
        if MENTION.search(text):
            self.findings.unmatched.add(text)

    def may_start_at(self, text: str, position: int) -> bool:
        """Return whether a start line may begin at a position; a quoted line may not."""
        stamped = is_stamped(text, position)
        if self.has_hpogen_lines and stamped:
            return follows_stamp(text, position)
        return stamped or may_precede(text[:position])

    def add_start_line(self, start: Start, between: Callable[[], bytes]) -> None:
        """Start a trial, with the forced dropout if the text before reports one."""
        if start.dry:
            self.findings.dry_runs += 1
            return
        forced = start_lines.FORCED.search(between())
        if forced:
            dropout = {"forced_dropout": float(forced[1]), "sampled_dropout": float(forced[2])}
            params = {**(start.params or {}), "dropout": float(forced[1])}
            start = start._replace(user_attrs={**start.user_attrs, **dropout}, params=params)
        trial = self.runs.start(start)
        self.early_stop_may_follow |= not start.user_attrs
        if start.params is None:
            self.pending_params = trial.params if trial else {}


def unescape_quotes(text: str) -> str:
    """Return text without escapes of quotation marks, which `repr` adds in some cases only."""
    return ESCAPED.sub(lambda match: match[0] if match[1] == "\\" else match[1], text)
