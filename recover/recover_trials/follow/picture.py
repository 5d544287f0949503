"""Output of --follow on a terminal: a picture that is redrawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from recover_trials.follow.live import LiveLog
from recover_trials.follow.status import Status
from recover_trials.follow.status_text import (
    FINISHED,
    WAITING,
    counted,
    duration,
    interrupted,
    stalled,
    time_left,
)
from recover_trials.output.table import cell


def picture(logs: Sequence[LiveLog], states: dict[str, Status]) -> Group:
    """Return all studies, then the logs without a study."""
    waiting = [cell(WAITING.format(log.path)) for log in logs if not log.tail.exists]
    empty = [
        cell(f"{log.path}: no trial yet") for log in logs if log.tail.exists and not log.studies()
    ]
    return Group(*(study_picture(status) for status in states.values()), *waiting, *empty)


def study_picture(status: Status) -> Group:
    """Return the bar of a study, its best trial, its running trials and the state of its run."""
    head = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=status.total or 1, completed=status.done, width=30)
    head.add_row(
        Text(cell(status.name).plain, "bold"),
        bar if status.total else "",
        counted(status),
        time_left(status),
    )
    parts: list[Any] = [head]
    if status.best:
        number, value = status.best
        parts.append(cell(f"  best: trial {number}, {status.metric} {value:.6g}"))
    if status.running:
        parts.append(running_table(status))
    return Group(*parts, run_state(status))


def run_state(status: Status) -> Text:
    if status.finished:
        return Text(f"  {FINISHED}", "green")
    if status.interrupted:
        return Text(f"  {cell(interrupted(status)).plain}", "yellow")
    if status.stalled:
        return Text(f"  {stalled(status)}", "bold red")
    return Text(f"  last line {duration(status.silence)} ago", "dim")


def running_table(status: Status) -> Table:
    """Return a row per running trial."""
    table = Table.grid(padding=(0, 2))
    for trial in status.running:
        of = f"/{trial.steps}" if trial.steps else ""
        bar = ProgressBar(total=trial.steps, completed=trial.step, width=16)
        table.add_row(
            f"  trial {trial.number}",
            cell(trial.architecture or None),
            bar if trial.steps else "",
            cell(f"{trial.unit} {trial.step}{of}"),
            f"for {duration(trial.elapsed)}" if trial.elapsed is not None else "",
            f"about {duration(trial.left)} left" if trial.left is not None else "",
        )
    return table
