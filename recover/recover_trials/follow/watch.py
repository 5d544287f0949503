"""The loop of --follow: reads new lines until all studies are finished."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from recover_trials.follow.live import LiveLog
from recover_trials.follow.status import Status, statuses

INTERVAL = 1.0  # seconds between two reads of the files
LARGEST_SHARE = 10  # the caller's work may take a tenth of the time


@dataclass(frozen=True)
class Poll:
    """The result of one read of all logs: `news` if there were new lines."""

    statuses: dict[str, Status]
    news: bool


def rounds(
    logs: Sequence[LiveLog], pids: Sequence[int] = (), *, interval: float = INTERVAL
) -> Iterator[Poll]:
    """Read the logs again and again; yield the status of every study after each read.

    The last round is the one in which all studies are finished, or the first one after all
    processes `pids` have ended. Raises OSError for a log that exists and cannot be read.
    """
    try:
        while True:
            # Asked before the read: the processes write their last lines before they end.
            ended = bool(pids) and not any(map(is_alive, pids))
            news = [log.poll() for log in logs]
            states = statuses(logs)
            yielded = time.monotonic()
            yield Poll(states, any(news))
            if ended or all_finished(logs, states):
                return
            time.sleep(max(interval, LARGEST_SHARE * (time.monotonic() - yielded)))
    finally:
        for log in logs:
            log.tail.close()


def all_finished(logs: Sequence[LiveLog], states: dict[str, Status]) -> bool:
    """Return whether every log has studies, and all studies are finished."""
    has_studies = all(log.studies() for log in logs)
    return has_studies and all(status.finished for status in states.values())


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # a process of another user
    return True
