"""Output of --follow in a pipe: a line per change of a study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from recover_trials.follow.live import LiveLog
from recover_trials.follow.status import Status
from recover_trials.follow.status_text import (
    FINISHED,
    WAITING,
    counted,
    interrupted,
    stalled,
    time_left,
)
from recover_trials.output.table import cell


class ChangeLines:
    """Writes a line for each change between two statuses."""

    def __init__(self, console: Console, logs: Sequence[LiveLog]) -> None:
        self.console, self.logs = console, logs
        self.before: dict[str, Status] = {}
        self.missing: set[Path] = set()  # logs whose absence was reported

    def show(self, states: dict[str, Status]) -> None:
        for log in self.logs:
            if not log.tail.exists and log.path not in self.missing:
                self.missing.add(log.path)
                self.write(WAITING.format(log.path))
        for key, status in states.items():
            for change in changes_of(self.before.get(key), status):
                self.write(f"{status.name}: {change}")
        self.before = states

    def write(self, text: str) -> None:
        stamp = f"{datetime.now():%Y-%m-%d %H:%M:%S} "
        self.console.print(Text(stamp) + cell(text), soft_wrap=True)
        self.console.file.flush()


def changes_of(before: Status | None, now: Status) -> Iterator[str]:
    """Yield a line for each change; for a new study, its summary."""
    if before is None:
        yield summary(now)
    else:
        for number, (state, value) in sorted(now.states.items()):
            if before.states.get(number) != (state, value):
                change = "started" if state == "RUNNING" else state
                shown = "" if value is None else f" {value:.6g}"
                yield f"trial {number} {change}{shown} | {summary(now)}"
    yield from run_changes(before, now)
    if now.finished and not (before and before.finished):
        yield FINISHED


def run_changes(before: Status | None, now: Status) -> Iterator[str]:
    """Yield a line where the run stalls, ends before the total, or is continued."""
    if now.stalled and not (before and before.stalled):
        yield stalled(now)
    if now.interrupted and not (before and before.interrupted):
        yield interrupted(now)
    if before and before.interrupted and not (now.interrupted or now.finished):
        yield "a run continues the study"
    elif before and before.stalled and not (now.stalled or now.interrupted or now.finished):
        yield "continues"


def summary(status: Status) -> str:
    """Return counts, best trial, running trials and time left in one line."""
    parts = [counted(status)]
    if status.best:
        parts.append(f"best trial {status.best[0]}: {status.best[1]:.6g}")
    if status.running:
        parts.append("running " + ", ".join(str(trial.number) for trial in status.running))
    if left := time_left(status):
        parts.append(left)
    return ", ".join(parts)
