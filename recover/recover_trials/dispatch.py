"""Taking lines: which program wrote one, and whether to believe it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recover_trials.findings import Findings
from recover_trials.hpogen_log import hpogen_lines
from recover_trials.hpogen_log.studies import OwnStudies
from recover_trials.legacy import banners, end_lines, start_lines
from recover_trials.optuna_log import optuna_lines
from recover_trials.optuna_log.optuna_lines import Opened, Result
from recover_trials.optuna_log.runs import Runs
from recover_trials.optuna_log.stamps import (
    EXCEPTION,
    is_right_behind,
    is_stamped,
    may_begin,
    quoted_before,
)
from recover_trials.patterns import pattern

ESCAPED = pattern(r"""\\(['"\\])""")
MENTION = pattern(r"\bTrial[ #]\d{1,9}\b")


class Lines:
    """Takes the lines of one file, in their order."""

    def __init__(self, findings: Findings, own: OwnStudies, runs: Runs) -> None:
        self.findings, self.own, self.runs = findings, own, runs
        self.stamped = False
        self.ours = False  # lines of a search script were met, whole or not
        self.quoted = ""  # text of an error: lines in its traceback may quote others
        self.stops = False  # lines tell of trials that stopped early
        self.printed: dict[str, Any] | None = None  # parameters on lines of their own follow

    def take(self, line: str, between: Callable[[], bytes], *, ended: bool) -> None:
        """Take a line; `between` returns what stands before it, `ended` if a line end follows."""
        if self.stops:
            self.note_stop(between())
        events, damaged, text = hpogen_lines.read_line(line, foreign=not self.ours)
        if not events and hpogen_lines.OWN_END.search(text):
            damaged, text = damaged + 1, ""  # one of ours whose time stamp is damaged
        self.findings.damaged += damaged
        self.stamped |= bool(events or damaged)
        self.ours |= bool(events or damaged)
        for event in events:
            self.own.add(event)
        if not events and not damaged and not text:
            self.findings.later.update(hpogen_lines.later_heads(line))
        if not text.strip() or self.quotes(text):
            return
        found = optuna_lines.read_line(text, ended=ended)
        for said, start, stamped in found:
            self.said(said, text, start, stamped=stamped)
        if not found:
            self.take_other(text, between, ended=ended)

    def note_stop(self, between: bytes) -> None:
        """Take the line that says that the trial stopped early, if one stands in between."""
        if stop := end_lines.STOPPED.search(between):
            self.runs.stopped_early(int(stop[1]))

    def quotes(self, text: str) -> bool:
        """Tell whether a line stands in the text of an error that was told before."""
        if not self.quoted:
            return False
        if " failed with value " in text:
            self.quoted = ""
            return False
        said = text.strip()
        named = EXCEPTION.match(said)
        texts = (said, said[named.end() :]) if named else (said,)
        return any(plain_quotes(repr(text)[1:-1]) in self.quoted for text in texts)

    def said(self, said: Result | Opened, text: str, start: int, *, stamped: bool) -> None:
        """Take what a line of Optuna's says, unless it is quoted."""
        if quoted_before(text[:start]):
            return
        if self.ours:  # what stands elsewhere is a text in one of its lines, which is damaged
            stamped = is_right_behind(text, start)
        if not stamped and (self.stamped or not may_begin(text[:start])):
            if isinstance(said, Result):
                self.findings.unstamped.add(text)
            return
        self.stamped |= stamped
        if isinstance(said, Opened):
            self.runs.open_study(said)
            self.own.here.clear()
            return
        if not self.own.here or not self.own.takes(said):
            self.runs.end(said)
        if said.error and "rial" in said.error:
            self.quoted = plain_quotes(said.error)

    def take_other(self, text: str, between: Callable[[], bytes], *, ended: bool) -> None:
        """Take a line that Optuna did not write."""
        if begun := start_lines.read_line(text, ended=ended):
            start, position = begun
            if "arch_idx=" in text and not hpogen_lines.is_old_start(text, foreign=not self.ours):
                self.findings.damaged += 1  # ours, and its time stamp or its mark are not whole
                return
            if self.may_start(text, position):
                self.start(start, between)
                return
        elif over := end_lines.read_line(text, ended=ended):
            result, position = over
            self.said(result, text, position, stamped=is_stamped(text, position))
            return
        elif banner := banners.read_line(text):
            if may_begin(text[: banner[1]]):
                self.runs.banner(banner[0])
                self.own.here.clear()
            return
        if MENTION.search(text):
            self.findings.unmatched.add(text)

    def may_start(self, text: str, position: int) -> bool:
        """Tell whether a start at a position in a line is no quotation."""
        stamped = is_stamped(text, position)
        if self.ours and stamped:
            return is_right_behind(text, position)
        return stamped or may_begin(text[:position])

    def start(self, start: start_lines.Start, between: Callable[[], bytes]) -> None:
        """Take a start; what was said right before it belongs to it."""
        if start.dry:
            self.findings.dry_runs += 1
            return
        forced = start_lines.FORCED.search(between())
        if forced:
            told = {"forced_dropout": float(forced[1]), "sampled_dropout": float(forced[2])}
            params = {**(start.params or {}), "dropout": float(forced[1])}
            start = start._replace(user_attrs={**start.user_attrs, **told}, params=params)
        trial = self.runs.start(start)
        self.stops |= not start.user_attrs
        if start.params is None:
            self.printed = trial.params if trial else {}


def plain_quotes(text: str) -> str:
    """Return text in which quotation marks are not escaped, as `repr` may or may not do."""
    return ESCAPED.sub(lambda match: match[0] if match[1] == "\\" else match[1], text)
