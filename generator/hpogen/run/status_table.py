"""Table of studies, from their logs: for a terminal, a pipe and programs."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.console import Console
from rich.table import Table

from recover_trials.follow.live import LiveLog
from recover_trials.follow.status import Status, status_of
from recover_trials.follow.status_text import duration
from recover_trials.output.table import cell

STYLES = {"finished": "green", "failed": "bold red", "stalled": "bold red", "running": "bold"}


@dataclass
class Row:
    """One study.

    Attributes:
        state: waiting, running, stalled, paused, stopped, finished or failed.
        reason: why it stopped or failed, or where it runs.
        ended: number of trials that have ended.
        seconds_left: estimate; None before the first trial has ended.
        silence: seconds since the last write of the log.
    """

    name: str
    log: str
    state: str
    reason: str = ""
    n_trials: int | None = None
    ended: int = 0
    complete: int = 0
    pruned: int = 0
    failed: int = 0
    best_trial: int | None = None
    best_value: float | None = None
    metric: str = ""
    seconds_left: float | None = None
    silence: float | None = None


def statuses_of(log: LiveLog) -> list[Status]:
    """Return the status of each study of a log, as far as it was read."""
    return [status_of(study, log, datetime.now()) for study in log.studies()]


def ended_below(status: Status | None, n_trials: int) -> int:
    """Return how many of the first `n_trials` trials have ended."""
    states = status.states if status else {}
    return sum(number < n_trials and states[number][0] != "RUNNING" for number in states)


def row_of(name: str, log: str, status: Status | None, n_trials: int | None) -> Row:
    """Return the row of a study whose state is known from its log alone."""
    if status is None:
        return Row(name, log, "waiting", "", n_trials)
    n_trials = n_trials or status.total
    ended = status.done if n_trials is None else ended_below(status, n_trials)
    best_trial, best_value = status.best or (None, None)
    row = Row(name, log, *state_of(status, ended, n_trials), n_trials, ended)
    row.complete, row.pruned = status.counts.get("COMPLETE", 0), status.counts.get("PRUNED", 0)
    row.failed, row.metric = status.counts.get("FAIL", 0), status.metric
    row.best_trial, row.best_value = best_trial, best_value
    row.silence = status.silence.total_seconds()
    if status.left is not None and row.state in ("running", "stalled"):
        row.seconds_left = status.left.total_seconds()
    return row


def state_of(status: Status, ended: int, n_trials: int | None) -> tuple[str, str]:
    """Return state and reason, from the log alone: a killed run looks stalled after a while."""
    if n_trials is not None and ended >= n_trials and status.evaluated:
        return ("finished", "") if status.counts.get("COMPLETE") else ("failed", "none complete")
    if status.end_reason is not None:
        return "stopped", status.end_reason
    return ("stalled", "or killed") if status.stalled else ("running", "")


def picture(rows: Iterable[Row]) -> Table:
    """Return a table for a terminal."""
    table = Table(box=None, pad_edge=False)
    for name in ("study", "state", "trials", "failed", "best", "metric", "time left", "last line"):
        table.add_column(name, justify="left" if name in ("study", "state", "metric") else "right")
    for row in rows:
        state = cell(f"{row.state} ({row.reason})" if row.reason else row.state)
        state.stylize(STYLES.get(row.state, ""))
        total = "?" if row.n_trials is None else row.n_trials
        best = None if row.best_value is None else f"{row.best_value:.5g} ({row.best_trial})"
        table.add_row(
            cell(row.name),
            state,
            cell(f"{row.ended}/{total}"),
            cell(row.failed or None),
            cell(best),
            cell(row.metric or None),
            cell(seconds(row.seconds_left)),
            cell(seconds(row.silence)),
        )
    return table


def seconds(number: float | None) -> str | None:
    return None if number is None else duration(timedelta(seconds=number))


def as_text(rows: Iterable[Row]) -> str:
    """Return an aligned table, as wide as it needs to be, without a newline at its end."""
    text = io.StringIO()
    Console(file=text, width=10_000, force_terminal=False).print(picture(rows))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())
