"""Order of the files of one study: by the time of their first lines.

A shell sorts rotated logs by name, with the newest file first: the run that resumed a trial would
be read before the run that started it. If the time stamps put a resuming run before the run that
created the study, the clocks had different time zones, and the files keep the given order.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from recover_trials.files.streams import PATH, chunks_of, open_source, unwrapped
from recover_trials.hpogen_log import hpogen_lines
from recover_trials.skipped_lines import Findings

if TYPE_CHECKING:
    from recover_trials.files.streams import Source

STUDY = b', study="'
LONGEST_HEAD = 64 * 1024  # the first line of a run holds its search space


def by_time(sources: Sequence[Source]) -> list[Source]:
    """Return the sources; the files of one study swap places so that the earliest comes first."""
    places: dict[str, list[int]] = defaultdict(list)
    times: dict[int, datetime] = {}
    creating: set[int] = set()
    for place, source in enumerate(sources):
        if isinstance(source, PATH) and (first := first_event(source)):
            study, times[place], creates = first
            places[study].append(place)
            creating |= {place} if creates else set()
    ordered = list(sources)
    for given in places.values():
        sorted_places = sorted(given, key=times.__getitem__)
        if sorted_places[0] in creating or not creating & {*given}:
            for place, other in zip(given, sorted_places, strict=True):
                ordered[place] = sources[other]
    return ordered


def first_event(path: str | os.PathLike[str]) -> tuple[str, datetime, bool] | None:
    """Return study and time of the first event of a file, and whether it creates the study.

    None if the first 64 KB hold no event, or if the file cannot be read, which the reader reports
    later. None also for pipes, which cannot be read twice.
    """
    try:
        if not Path(path).is_file():
            return None
        with open_source(path) as stream:
            head = next(unwrapped(chunks_of(stream), Findings()), b"")[:LONGEST_HEAD]
    except (OSError, EOFError, ValueError):
        return None
    lines = head.decode("utf-8", "replace").splitlines() if STUDY in head else []
    events = (event for line in lines for event in hpogen_lines.parse_events(line)[0])
    first, second = next(events, None), next(events, None)
    if first is None:
        return None
    creates = first.name == "run_start" and not (second and second.name == "study_resumed")
    return first.fields["study"], first.time.replace(tzinfo=None), creates
