"""A storage that follows logs: new trials are added, running trials updated."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from recover_trials.follow.live import LiveLog, LiveStudies
from recover_trials.follow.show import INTERVAL, WAITING, is_over, statuses
from recover_trials.model import Study
from recover_trials.output.to_storage import Mirror, make_plans

LARGEST_SHARE = 10  # reading and writing may take a tenth of the time


def mirror(
    paths: list[Path], url: str, direction: str | None, *, interval: float = INTERVAL
) -> Iterator[str]:
    """Keep a storage up to date until every study is over; yield a line for each change.

    Raises RebuildError for conflicts with the storage, OSError for an unreadable log.
    """
    hpogen = LiveStudies()
    logs = [LiveLog(path, hpogen) for path in paths]
    storage = Mirror(url)
    yield from (WAITING.format(path) for path in paths if not path.exists())
    try:
        while True:
            began = time.monotonic()
            news = [log.poll() for log in logs]
            if any(news):
                for done in storage.write(make_plans(studies_of(logs), direction)):
                    if done.added or done.updated:
                        yield str(done)
            if is_over(logs, statuses(logs)):
                return
            time.sleep(max(interval, LARGEST_SHARE * (time.monotonic() - began)))
    finally:
        for log in logs:
            log.tail.close()


def studies_of(logs: list[LiveLog]) -> list[Study]:
    """Return the studies of all logs that have trials, each once."""
    studies = {study.key: study for log in logs for study in log.studies() if study.trials}
    return list(studies.values())
