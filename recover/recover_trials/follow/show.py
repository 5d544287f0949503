"""Following logs: a picture on a terminal, a line per change in a pipe."""

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

INTERVAL = 1.0  # seconds between two looks at the files
WAITING = "waiting for {}"


def follow(paths: list[Path], console: Console, *, interval: float = INTERVAL) -> None:
    """Show studies until every one of them is over.

    Raises OSError for a file that is there and cannot be read, KeyboardInterrupt as it comes.
    """
    own = LiveStudies()
    logs = [LiveLog(path, own) for path in paths]
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
    """Look at the files again and again."""
    while True:
        for log in logs:
            log.poll()
        states = statuses(logs)
        show(states)
        if is_over(logs, states):
            return
        time.sleep(interval)


def statuses(logs: list[LiveLog]) -> dict[str, Status]:
    """Return every study's status; of a study in several logs, that of the liveliest."""
    now = datetime.now()
    found: dict[str, Status] = {}
    for log in logs:
        for study in log.studies():
            status = status_of(study, log, now)
            other = found.get(study.key)
            if other is None or status.silence < other.silence:
                found[study.key] = status
    return found


def is_over(logs: list[LiveLog], states: dict[str, Status]) -> bool:
    """Tell whether every log was found, and every study in it is over."""
    found = all(log.studies() for log in logs)
    return found and all(status.over for status in states.values())


# --- A line per change ---------------------------------------------------------------------------


class Lines:
    """Writes a line for each change of a state."""

    def __init__(self, console: Console, logs: list[LiveLog]) -> None:
        self.console, self.logs = console, logs
        self.before: dict[str, Status] = {}
        self.waited: set[Path] = set()

    def show(self, states: dict[str, Status]) -> None:
        """Write what has changed."""
        for log in self.logs:
            if not log.tail.found and log.path not in self.waited:
                self.waited.add(log.path)
                self.write(WAITING.format(log.path))
        for key, status in states.items():
            changes = list(changes_of(self.before.get(key), status))
            for change in changes:
                self.write(f"{status.name}: {change}")
        self.before = states

    def write(self, text: str) -> None:
        """Write a line."""
        stamp = f"{datetime.now():%Y-%m-%d %H:%M:%S} "
        self.console.print(Text(stamp) + cell(text), soft_wrap=True)
        self.console.file.flush()


def changes_of(before: Status | None, now: Status) -> Iterator[str]:
    """Yield what is different from before; at first, how the study stands."""
    if before is None:
        yield summary(now)
    else:
        for number, (state, value) in sorted(now.states.items()):
            if before.states.get(number) != (state, value):
                told = "started" if state == "RUNNING" else state
                shown = "" if value is None else f" {value}"
                yield f"trial {number} {told}{shown} | {summary(now)}"
        if now.stalled and not before.stalled:
            yield stalled(now)
        if before.stalled and not now.stalled and not now.over:
            yield "continues"
    if now.over and not (before and before.over):
        yield ending(now)


def summary(status: Status) -> str:
    """Return how a study stands, in a line."""
    parts = [counted(status)]
    if status.best:
        parts.append(f"best trial {status.best[0]}: {status.best[1]}")
    if status.running:
        parts.append("running " + ", ".join(str(trial.number) for trial in status.running))
    if status.left is not None and not status.over:
        parts.append(f"about {span(status.left)} left")
    return ", ".join(parts)


def counted(status: Status) -> str:
    """Return how many trials are done, and how many of them were pruned or failed."""
    others = {"pruned": "PRUNED", "failed": "FAIL"}
    found = [f"{status.counts[s]} {word}" for word, s in others.items() if status.counts.get(s)]
    total = "?" if status.total is None else status.total
    return f"{status.done}/{total} done" + (f" ({', '.join(found)})" if found else "")


def stalled(status: Status) -> str:
    """Return why a study is called stalled."""
    return (
        f"stalled: no line for {span(status.silence)}; more than {STALLED_FACTOR} times the"
        f" longest pause before, {span(status.longest)}"
    )


def ending(status: Status) -> str:
    """Return how a study ended."""
    complete = status.total is not None and status.done >= status.total
    why = "all trials are done" if complete else f"its run ended: {status.ended}"
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
    """Return everything as it is shown on a terminal."""
    waiting = [cell(WAITING.format(log.path)) for log in logs if not log.tail.found]
    empty = [
        cell(f"{log.path}: no trial yet") for log in logs if log.tail.found and not log.studies()
    ]
    return Group(*(study_picture(status) for status in states.values()), *waiting, *empty)


def study_picture(status: Status) -> Group:
    """Return a study: its bar, its best trial, the trials at work, when it was heard of."""
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
        parts.append(trials_at_work(status))
    if status.over:
        parts.append(Text(f"  {cell(ending(status)).plain}", "green"))
    elif status.stalled:
        parts.append(Text(f"  {stalled(status)}", "bold red"))
    else:
        parts.append(Text(f"  last line {span(status.silence)} ago", "dim"))
    return Group(*parts)


def trials_at_work(status: Status) -> Table:
    """Return the trials at work, a row each."""
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
