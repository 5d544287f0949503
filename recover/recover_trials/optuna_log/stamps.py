"""Time stamps, and what may stand before a line that has none."""

from __future__ import annotations

import re
from datetime import datetime

from recover_trials.patterns import pattern

STAMPED = r"\[[A-Z] (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\] "
STAMP = pattern(STAMPED)
LENGTH = 28  # of such a stamp
ANY_TIME = pattern(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{3}(?:\d{3})?)?")
# Exception texts and source code quote lines; other loggers put their own prefix before them.
QUOTING = pattern(
    r"(?:Error|Exception|Warning|Interrupt|Exit|Pruned|raise)\b|['\"`]\s*$|\bprint\("
)
EXCEPTION = pattern(r"\s*[\w.]*(?:Error|Exception|Warning|Interrupt|Exit|Pruned): ")
PREFIX = pattern(r"(?:[\s#>|*/%;│┃-]|\d+[.)])*|.*(?:[:\])>|-]\s*|\s{2,})", re.DOTALL)


def parse_time(text: str) -> datetime | None:
    """Return the time of a stamp; None if there is no such time."""
    try:
        return datetime.fromisoformat(text.replace(",", "."))
    except ValueError:
        return None


def time_before(text: str, position: int) -> datetime | None:
    """Return the last time before a position, of whichever logger."""
    times = ANY_TIME.findall(text, 0, position)
    return parse_time(times[-1]) if times else None


def is_stamped(text: str, position: int) -> bool:
    """Tell whether a time stamp of Optuna's logger stands somewhere before a position."""
    return STAMP.search(text, 0, position) is not None


def is_right_behind(text: str, position: int) -> bool:
    """Tell whether a position is right behind such a stamp."""
    return position >= LENGTH and STAMP.match(text, position - LENGTH) is not None


def quoted_before(prefix: str) -> bool:
    """Tell whether an exception is named right before a line: its text quotes the line."""
    return EXCEPTION.fullmatch(STAMP.sub("", prefix)) is not None


def may_begin(prefix: str) -> bool:
    """Tell whether a line without a stamp may begin behind this text.

    Nothing, indentation, the sign of a comment or of another logger may stand there; an
    exception or a quotation mark says that the line is quoted.
    """
    return PREFIX.fullmatch(prefix) is not None and QUOTING.search(prefix) is None
