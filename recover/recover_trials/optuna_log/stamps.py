"""Time stamps, and the text that may precede a line without one."""

from __future__ import annotations

import re
from datetime import datetime

STAMPED = r"\[[A-Z] (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\] "
STAMP = re.compile(STAMPED)
LENGTH = 28  # of such a stamp
ANY_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{3}(?:\d{3})?)?(?![\d.,]* ?[AP]M\b)"
)
# Exception texts and source code quote lines; other loggers put a prefix of their own before them.
QUOTES = "'\"`\u00ab\u00bb\u2018-\u201f\u2039\u203a\u300c-\u300f"
QUOTING = re.compile(
    rf"(?:Error|Exception|Warning|Interrupt|Exit|Pruned|raise)\b|[{QUOTES}]\s*$|\bprint\("
)
EXCEPTION = re.compile(r"\s*[\w.]*(?:Error|Exception|Warning|Interrupt|Exit|Pruned): ")
PREFIX = re.compile(r"(?:[^\w'\"`(\[{]|\d+[.)])*|\s*\d+\s+")
SEPARATORS = tuple(":])>|-")
# The words that loggers and collectors put before a line, with spaces between them.
CLOCK = re.compile(
    r"(?:\d{4}-\d\d-\d\dT)?\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?|\d{10}\.\d+"
)
LEVEL = re.compile(
    r"debug|info(?:rmation)?|notice|warn(?:ing)?|err(?:or)?|critical|fatal|trace", re.IGNORECASE
)
DATE = r"Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|[AP]M"
# Parts of a date, and names of modules, threads and hosts.
NAME = re.compile(
    rf"{DATE}|optuna|root|study|stdout|stderr|[FP]|\S*[\d_.]\S*|(?:[A-Z][a-z]+){{2,}}|[^\w'\"]*"
)
BRACKETED = re.compile(r"\[[^\]]*\]")
AROUND = ".,:;|-()[]{}<>"


def parse_time(text: str) -> datetime | None:
    """Return the time of a stamp; None if it is invalid."""
    try:
        return datetime.fromisoformat(text.replace(",", "."))
    except ValueError:
        return None


def time_before(text: str, position: int) -> datetime | None:
    """Return the last time stamp before a position, in the format of any logger."""
    times = ANY_TIME.findall(text, 0, position)
    return parse_time(times[-1]) if times else None


def is_stamped(text: str, position: int) -> bool:
    """Return whether a time stamp of Optuna's logger precedes a position in its line."""
    return STAMP.search(text, 0, position) is not None


def follows_stamp(text: str, position: int) -> bool:
    """Return whether a position directly follows a time stamp of Optuna's logger."""
    return position >= LENGTH and STAMP.match(text, position - LENGTH) is not None


def is_quoted_by(prefix: str) -> bool:
    """Return whether a prefix names an exception, whose text quotes the line after it."""
    return EXCEPTION.fullmatch(STAMP.sub("", prefix)) is not None


def may_precede(prefix: str) -> bool:
    """Return whether a line without a stamp may begin after a prefix.

    Indentation, a comment sign and the prefix of another logger may precede a line. After an
    exception or a quotation mark, the line is a quotation.
    """
    text = prefix.rstrip()
    separated = text.endswith(SEPARATORS) or len(prefix) - len(text) > 1
    known = separated or PREFIX.fullmatch(prefix) is not None or is_of_logger(prefix)
    return known and QUOTING.search(prefix) is None


def is_of_logger(prefix: str) -> bool:
    """Return whether a prefix has a time or a level, and otherwise only names."""
    words = [word.strip(AROUND) for word in BRACKETED.sub(" ", prefix).split()]
    times = [bool(CLOCK.fullmatch(word) or LEVEL.fullmatch(word)) for word in words]
    named = all(time or NAME.fullmatch(word) for word, time in zip(words, times, strict=True))
    return any(times) and named
