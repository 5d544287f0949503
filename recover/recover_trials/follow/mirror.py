"""A storage that follows logs: new trials are added, running trials updated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from recover_trials.follow.live import LiveLog, live_logs
from recover_trials.follow.status_text import WAITING
from recover_trials.follow.watch import INTERVAL, rounds
from recover_trials.model import Study
from recover_trials.output.to_storage import Mirror, make_plans


def mirror(
    paths: Sequence[Path],
    url: str,
    direction: str | None,
    pids: Sequence[int] = (),
    *,
    interval: float = INTERVAL,
) -> Iterator[str]:
    """Keep a storage up to date until every study is finished; yield a line for each change.

    Raises RebuildError for conflicts with the storage, OSError for an unreadable log.
    """
    logs = live_logs(paths)
    storage = Mirror(url)
    yield from (WAITING.format(path) for path in paths if not path.exists())
    for now in rounds(logs, pids, interval=interval):
        if now.news:
            for written in storage.write(make_plans(studies_of(logs), direction)):
                if written.added or written.updated:
                    yield str(written)


def studies_of(logs: Sequence[LiveLog]) -> list[Study]:
    """Return the studies with trials, each once."""
    studies = {study.key: study for log in logs for study in log.studies() if study.trials}
    return list(studies.values())
