"""Formats of dates, and which of them a column has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from hpo_script.families.market.cells import MISSING, PER_SECOND, parse_date

DAYS = (
    *("%Y/%m/%d", "%Y.%m.%d", "%Y %m %d", "%d.%m.%Y", "%m.%d.%Y", "%d.%m.%y"),
    *("%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y", "%m-%d-%Y", "%d-%m-%Y"),
    *("%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y", "%d %b %Y", "%d %B %Y", "%d %b, %Y"),
    *("%d-%b-%Y", "%d-%b-%y", "%a %b %d %Y", "%a, %d %b %Y", "%Y-%b-%d"),
    *("%Y-%m", "%Y/%m", "%m/%Y", "%b %Y", "%B %Y", "%b-%Y"),
)
TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", " %H:%M:%S.%f")
# pandas reads these dates without a format. It converts zones other than +05:00 and Z to UTC.
ISO_8601 = re.compile(
    r"[0-9]{4}(-[0-9]{2}-[0-9]{2}|[0-9]{4})([ T][0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
UNITS_BY_LENGTH = {9: "seconds", 10: "seconds", 12: "milliseconds", 13: "milliseconds"}
UNITS_BY_LENGTH |= {16: "microseconds", 19: "nanoseconds"}


def check_date_format(text: str) -> str:
    """Return the format unchanged. Raises ValueError if it loses the year or the month."""
    if text in PER_SECOND or text == "iso":
        return text
    day = datetime(2001, 12, 31)
    try:
        parsed = parse_date(day.strftime(text), text)
    except ValueError:
        parsed = None
    if parsed is None or (parsed.year, parsed.month) != (2001, 12):
        units = ", ".join(PER_SECOND)
        raise ValueError(
            f'not a date format; write one such as "%d.%m.%Y", iso, or one of {units}'
        )
    return text


def fitting_formats(cells: Sequence[str]) -> list[str | None]:
    """Return the formats that fit most cells of a column; None stands for ISO 8601.

    Several formats fit if the day of every date could also be the month.
    """
    texts = [text for cell in cells if (text := cell.strip()).lower() not in MISSING]
    if all(map(ISO_8601.fullmatch, texts)):
        return [None]
    counts = {fmt: count_dates(texts, fmt) for fmt in candidates(texts)}
    most = max(counts.values(), default=0)
    if most == 0:
        return []
    best: list[str | None] = [fmt for fmt, count in counts.items() if count == most]
    # Of formats that give the same dates, the first is kept.
    distinct = {tuple(parse_date(cell, fmt) for cell in texts): fmt for fmt in best[::-1]}
    is_iso = best == ["iso"] and most < len(texts)
    return [None] if is_iso else list(distinct.values())[::-1]


def count_dates(cells: Sequence[str], date_format: str) -> int:
    """Return how many cells are dates in a format."""
    return sum(parse_date(cell, date_format) is not None for cell in cells)


def candidates(cells: Sequence[str]) -> Iterator[str]:
    """Yield the formats in which one of the first cells is a date."""
    yield "iso"
    lengths = {len(cell.partition(".")[0].lstrip("-")) for cell in cells[:1]}
    yield from (UNITS_BY_LENGTH[length] for length in lengths & UNITS_BY_LENGTH.keys())
    for day in DAYS:
        for time in TIMES:
            if any(parse_date(cell, day + time) for cell in cells[:5]):
                yield day + time


def is_date(text: str) -> bool:
    """Return whether a text is a date in any of the formats."""
    return any(parse_date(text, fmt) for fmt in candidates([text]))
