"""Parts of the texts of --follow, on a terminal and in a pipe."""

from __future__ import annotations

from datetime import timedelta

from recover_trials.follow.live import STALLED_FACTOR
from recover_trials.follow.status import Status

WAITING = "waiting for {}"
FINISHED = "finished: all trials are done"


def counted(status: Status) -> str:
    """Return the counts of trials, such as `3/9 done (1 pruned)`."""
    others = {"pruned": "PRUNED", "failed": "FAIL"}
    parts = [f"{status.counts[s]} {word}" for word, s in others.items() if status.counts.get(s)]
    total = "?" if status.total is None else status.total
    return f"{status.done}/{total} done" + (f" ({', '.join(parts)})" if parts else "")


def stalled(status: Status) -> str:
    """Return why a study counts as stalled."""
    return (
        f"stalled: no line for {duration(status.silence)}; more than {STALLED_FACTOR} times the"
        f" longest pause before, {duration(status.longest)}"
    )


def interrupted(status: Status) -> str:
    """Return why the last run ended before the total."""
    return f"run ended before the total: {status.end_reason}; waiting for the next run"


def time_left(status: Status) -> str:
    """Return the remaining time; empty if it is unknown or no run is active."""
    if status.left is None or status.finished or status.interrupted:
        return ""
    return f"about {duration(status.left)} left"


def duration(time: timedelta) -> str:
    """Return a duration in its two largest units: `2d 3h`, `1h 20m`, `4m 5s`, `12s`."""
    seconds = round(time.total_seconds())
    sizes = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    parts = []
    for unit, size in sizes:
        count, seconds = divmod(seconds, size)
        parts.append((count, unit))
    first = next((i for i, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count}{unit}" for count, unit in parts[first : first + 2] if count) or "0s"
