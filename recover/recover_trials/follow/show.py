"""Studies shown while they run: on a terminal or in a pipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live

from recover_trials.follow.lines import ChangeLines
from recover_trials.follow.live import live_logs
from recover_trials.follow.picture import picture
from recover_trials.follow.watch import INTERVAL, rounds


def follow(
    paths: Sequence[Path],
    console: Console,
    pids: Sequence[int] = (),
    *,
    interval: float = INTERVAL,
) -> None:
    """Show studies until all are finished, or until all processes `pids` have ended.

    Raises OSError for a log that exists and cannot be read.
    """
    logs = live_logs(paths)
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            for now in rounds(logs, pids, interval=interval):
                live.update(picture(logs, now.statuses), refresh=True)
    else:
        lines = ChangeLines(console, logs)
        for now in rounds(logs, pids, interval=interval):
            lines.show(now.statuses)
