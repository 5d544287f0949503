"""Live output: a picture on a terminal, a line per change in a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from recover_trials.follow.live import STALLED_FACTOR, LiveLog, LiveStudies, Status, status_of
from recover_trials.output.table import cell

INTERVAL = 1.0  # seconds between two reads of the files
WAITING = "waiting for {}"


def follow(paths: list[Path], console: Console, *, interval: float = INTERVAL) -> None:
    """Show studies until all are over. Raises OSError for an existing file that is unreadable."""
    hpogen = LiveStudies()
    logs = [LiveLog(path, hpogen) for path in paths]
    try:
        if console.is_terminal:
            with Live(console=console, auto_refresh=False) as live:
                watch(logs, interval, lambda now: live.update(picture(logs, now), refresh=True))
        else:
            watch(logs, interval, Lines(console, logs).show)
    finally:
        for log in logs:
            log.tail.close()


def watch(logs: list[LiveLog], interval: float, show: Callable[[dict[str, Status]], None]) -> None:
    """Read the files and show the studies until all are over."""
    while True:
        for log in logs:
            log.poll()
        states = statuses(logs)
        show(states)
        if is_over(logs, states):
            return
        time.sleep(interval)


def statuses(logs: list[LiveLog]) -> dict[str, Status]:
    """Return the status of every study, from the log with the latest line."""
    now = datetime.now()
    states: dict[str, Status] = {}
    for log in logs:
        for study in log.studies():
            status = status_of(study, log, now)
            other = states.get(study.key)
            if other is None or status.silence < other.silence:
                states[study.key] = status
    return states


def is_over(logs: list[LiveLog], states: dict[str, Status]) -> bool:
    """Tell whether every log has studies, and all are over."""
    started = all(log.studies() for log in logs)
    return started and all(status.over for status in states.values())


# --- A line per change ---------------------------------------------------------------------------


class Lines:
    """Writes a line for each change of a state."""

    def __init__(self, console: Console, logs: list[LiveLog]) -> None:
        self.console, self.logs = console, logs
        self.before: dict[str, Status] = {}
        self.waited: set[Path] = set()

    def show(self, states: dict[str, Status]) -> None:
        for log in self.logs:
            if not log.tail.exists and log.path not in self.waited:
                self.waited.add(log.path)
                self.write(WAITING.format(log.path))
        for key, status in states.items():
            changes = list(changes_of(self.before.get(key), status))
            for change in changes:
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
                shown = "" if value is None else f" {value}"
                yield f"trial {number} {change}{shown} | {summary(now)}"
        if now.stalled and not before.stalled:
            yield stalled(now)
        if before.stalled and not now.stalled and not now.over:
            yield "continues"
    if now.over and not (before and before.over):
        yield ending(now)


def summary(status: Status) -> str:
    """Return the state of a study in a line."""
    parts = [counted(status)]
    if status.best:
        parts.append(f"best trial {status.best[0]}: {status.best[1]}")
    if status.running:
        parts.append("running " + ", ".join(str(trial.number) for trial in status.running))
    if status.left is not None and not status.over:
        parts.append(f"about {span(status.left)} left")
    return ", ".join(parts)


def counted(status: Status) -> str:
    """Return the counts of finished, pruned and failed trials."""
    others = {"pruned": "PRUNED", "failed": "FAIL"}
    parts = [f"{status.counts[s]} {word}" for word, s in others.items() if status.counts.get(s)]
    total = "?" if status.total is None else status.total
    return f"{status.done}/{total} done" + (f" ({', '.join(parts)})" if parts else "")


def stalled(status: Status) -> str:
    """Return the reason why a study counts as stalled."""
    return (
        f"stalled: no line for {span(status.silence)}; more than {STALLED_FACTOR} times the"
        f" longest pause before, {span(status.longest)}"
    )


def ending(status: Status) -> str:
    """Return the end of a study in a line."""
    complete = status.total is not None and status.done >= status.total
    why = "all trials are done" if complete else f"its run ended: {status.end_reason}"
    return f"over, {why}"


def span(time: timedelta) -> str:
    """Return a duration for reading: `2d 3h`, `1h 20m`, `4m 5s`, `12s`."""
    seconds = round(time.total_seconds())
    sizes = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    parts = []
    for unit, size in sizes:
        count, seconds = divmod(seconds, size)
        parts.append((count, unit))
    first = next((i for i, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count}{unit}" for count, unit in parts[first : first + 2] if count) or "0s"


# --- On a terminal -------------------------------------------------------------------------------


def picture(logs: list[LiveLog], states: dict[str, Status]) -> Group:
    """Return the picture of all studies for a terminal."""
    waiting = [cell(WAITING.format(log.path)) for log in logs if not log.tail.exists]
    empty = [
        cell(f"{log.path}: no trial yet") for log in logs if log.tail.exists and not log.studies()
    ]
    return Group(*(study_picture(status) for status in states.values()), *waiting, *empty)


def study_picture(status: Status) -> Group:
    """Return the picture of a study: bar, best trial, running trials, time of the last line."""
    head = Table.grid(padding=(0, 2))
    left = f"about {span(status.left)} left" if status.left and not status.over else ""
    bar = ProgressBar(total=status.total or 1, completed=status.done, width=30)
    head.add_row(
        Text(cell(status.name).plain, "bold"), bar if status.total else "", counted(status), left
    )
    parts: list[Any] = [head]
    if status.best:
        number, value = status.best
        parts.append(cell(f"  best: trial {number}, {status.metric} {value}"))
    if status.running:
        parts.append(running_table(status))
    if status.over:
        parts.append(Text(f"  {cell(ending(status)).plain}", "green"))
    elif status.stalled:
        parts.append(Text(f"  {stalled(status)}", "bold red"))
    else:
        parts.append(Text(f"  last line {span(status.silence)} ago", "dim"))
    return Group(*parts)


def running_table(status: Status) -> Table:
    """Return the running trials, a row each."""
    table = Table.grid(padding=(0, 2))
    for trial in status.running:
        of = f"/{trial.steps}" if trial.steps else ""
        bar = ProgressBar(total=trial.steps, completed=trial.step, width=16)
        table.add_row(
            f"  trial {trial.number}",
            cell(trial.about),
            bar if trial.steps else "",
            cell(f"{trial.unit} {trial.step}{of}"),
            f"for {span(trial.elapsed)}" if trial.elapsed is not None else "",
            f"about {span(trial.left)} left" if trial.left is not None else "",
        )
    return table
