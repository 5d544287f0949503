"""Files of one study in the order of their runs, whatever order they are given in.

The newest file of a rotated log has the first name, and a shell sorts by name: a run that went on
with a trial would be read before the run that began it. Where clocks put a run that went on before
the one that began the study, they are of different zones, and the order that was given counts.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from recover_trials.files.streams import PATH, chunks_of, open_source, unwrapped
from recover_trials.findings import Findings
from recover_trials.hpogen_log import hpogen_lines

if TYPE_CHECKING:
    from recover_trials.files.streams import Source

OWN = b', study="'
LONGEST_HEAD = 64 * 1024  # a run's first line tells its search space


def in_turn(sources: Sequence[Source]) -> list[Source]:
    """Return sources; files of one search script take each other's places, earlier ones first."""
    places: dict[str, list[int]] = defaultdict(list)
    times: dict[int, datetime] = {}
    begins: set[int] = set()
    for place, source in enumerate(sources):
        if isinstance(source, PATH) and (told := first_event(source)):
            places[told[0]].append(place)
            times[place] = told[1]
            begins |= {place} if told[2] else set()
    ordered = list(sources)
    for known in places.values():
        by_time = sorted(known, key=times.__getitem__)
        if by_time[0] in begins or not begins & {*known}:
            for place, other in zip(known, by_time, strict=True):
                ordered[place] = sources[other]
    return ordered


def first_event(path: str | os.PathLike[str]) -> tuple[str, datetime, bool] | None:
    """Return study and time of a file's first whole line, and whether the study begins with it.

    None if no line of a search script is near the beginning. What cannot be read is left for the
    reader to name; a pipe cannot be read twice.
    """
    try:
        if not Path(path).is_file():
            return None
        with open_source(path) as stream:
            head = next(unwrapped(chunks_of(stream), Findings()), b"")[:LONGEST_HEAD]
    except (OSError, EOFError, ValueError):
        return None
    lines = head.decode("utf-8", "replace").splitlines() if OWN in head else []
    events = (event for line in lines for event in hpogen_lines.read_line(line)[0])
    first, second = next(events, None), next(events, None)
    if first is None:
        return None
    begins = first.name == "run_start" and not (second and second.name == "study_resumed")
    return first.fields["study"], first.time.replace(tzinfo=None), begins
