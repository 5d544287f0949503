"""Logs read while they grow, with the parsers that read whole logs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from recover_trials.follow.log_collectors_live import OpenedLines
from recover_trials.follow.tail import Tail
from recover_trials.hpogen_log.hpogen_lines import Event, UnparsedEvaluation
from recover_trials.hpogen_log.reader import Version2Reader
from recover_trials.hpogen_log.studies import HpogenStudies
from recover_trials.model import Study
from recover_trials.optuna_log.runs import OptunaRuns
from recover_trials.optuna_log.stamps import parse_time
from recover_trials.scan import Scanner, reader_of
from recover_trials.skipped_lines import Findings

STAMP = re.compile(
    rb"\[[A-Z] (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\] "
    rb"(Run [0-9a-f]+ started|A new study created|Using an existing)?"
)
STALLED_FACTOR = 3
SHORTEST_STALL = timedelta(seconds=60)  # short gaps do not predict the next one


class LiveStudies(HpogenStudies):
    """Folds events, and records which runs are active.

    Attributes:
        active: ids of the runs with a line since the last run started, by study key.
        end_reasons: why the last run ended, by key of a study without an active run.
    """

    def __init__(self) -> None:
        super().__init__()
        self.active: dict[str, set[str]] = {}
        self.end_reasons: dict[str, str] = {}

    def add(self, event: Event) -> None:
        super().add(event)
        key, run = event.fields["study"], event.fields["run"]
        if event.name == "run_start":
            self.active[key] = {run}
            self.end_reasons.pop(key, None)
        elif event.name == "run_end":
            self.active.get(key, set()).discard(run)
            if not self.active.get(key):
                self.end_reasons[key] = str(event.fields.get("reason"))
        elif event.name != "note":
            self.active.setdefault(key, set()).add(run)

    def evaluate(self, line: UnparsedEvaluation) -> None:
        super().evaluate(line)
        self.active.setdefault(line.study, set()).add(line.run)


@dataclass
class Rhythm:
    """Time of the last line and longest gap between two lines, by their time stamps."""

    last: datetime | None = None
    longest: timedelta = timedelta(0)
    last_stamp: bytes = b""

    def add(self, block: bytes) -> None:
        """Add the stamps of lines; no gap precedes a run, for no run was active."""
        for match in STAMP.finditer(block):
            if match[1] == self.last_stamp:
                continue
            self.last_stamp = match[1]
            time = parse_time(match[1].decode())
            if time is None:
                continue
            if self.last is not None and not match[2]:
                self.longest = max(self.longest, time - self.last)
            self.last = time

    def add_unstamped(self, now: datetime) -> None:
        """Add lines of a log without stamps: they count at the time when they are read."""
        if not self.last_stamp:
            self.longest = max(self.longest, now - (self.last or now))
            self.last = now

    def is_stalled(self, silence: timedelta) -> bool:
        """Return whether a silence is much longer than every gap before."""
        return silence > max(STALLED_FACTOR * self.longest, SHORTEST_STALL)


class LiveLog:
    """One log, and the studies in the part that was read."""

    def __init__(self, path: Path, hpogen: LiveStudies) -> None:
        self.path, self.tail, self.hpogen = path, Tail(path), hpogen
        self.runs = OptunaRuns()
        self.runs.open_source(str(path))
        self.findings = Findings()
        self.opened = OpenedLines(self.findings)
        self.reader: Scanner | Version2Reader | None = None
        self.rhythm = Rhythm()
        self.in_file: set[str] = set()

    def poll(self) -> bool:
        """Read all new lines; return whether there were any. Raises OSError."""
        has_news = False
        while block := self.tail.read():
            has_news = True
            is_new = not (self.in_file or self.runs.studies)
            block = self.opened.read(block, may_differ=is_new)
            self.rhythm.add(block)
            self.hpogen.source, self.hpogen.in_file = str(self.path), self.in_file
            if self.reader is None:
                self.reader = reader_of(block, self.findings, self.hpogen, self.runs)
            self.reader.feed(block)
        if has_news:
            self.hpogen.update()
            self.rhythm.add_unstamped(datetime.now())
        return has_news

    def silence(self, now: datetime) -> timedelta:
        """Return the time since the last write of the file.

        The stamps in the log may be in another time zone.
        """
        changed = self.tail.changed()
        return max(now - changed, timedelta(0)) if changed else timedelta(0)

    def studies(self) -> list[Study]:
        runs = (run for run in self.runs.open if run.trials or run is self.runs.current)
        return [*(self.hpogen.studies[key] for key in sorted(self.in_file)), *runs]


def live_logs(paths: Iterable[Path]) -> list[LiveLog]:
    """Return logs that share their studies, for one study may have lines in several logs."""
    hpogen = LiveStudies()
    return [LiveLog(path, hpogen) for path in paths]
