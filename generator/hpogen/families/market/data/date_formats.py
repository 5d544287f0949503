"""Formats of dates: those that people write, and which of them a column has."""

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
# Plain CSV is read without a format. pandas converts other zones than +05:00 and Z to UTC.
PLAIN = re.compile(
    r"[0-9]{4}(-[0-9]{2}-[0-9]{2}|[0-9]{4})([ T][0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})?)?"
)
COUNTS = {9: "seconds", 10: "seconds", 12: "milliseconds", 13: "milliseconds"}
COUNTS |= {16: "microseconds", 19: "nanoseconds"}


def check_date_format(text: str) -> str:
    """Return a format as it is. Raises ValueError if it cannot hold a day."""
    if text in PER_SECOND or text == "iso":
        return text
    day = datetime(2001, 12, 31)
    try:
        held = parse_date(day.strftime(text), text)
    except ValueError:
        held = None
    if held is None or (held.year, held.month) != (2001, 12):
        units = ", ".join(PER_SECOND)
        raise ValueError(f'no date; write codes such as "%d.%m.%Y", iso, or one of {units}')
    return text


def fitting_formats(cells: Sequence[str]) -> list[str | None]:
    """Return the formats in which most cells of a column are dates, None for plain ISO 8601.

    More than one: every date has a day that could be a month.
    """
    given = [text for cell in cells if (text := cell.strip()).lower() not in MISSING]
    if all(map(PLAIN.fullmatch, given)):
        return [None]
    counts = {found: parse_all(given, found) for found in candidates(given)}
    most = max(counts.values(), default=0)
    if most == 0:
        return []
    best: list[str | None] = [found for found, count in counts.items() if count == most]
    # Formats that read every cell as the same moment are one.
    readings = {tuple(parse_date(cell, found) for cell in given): found for found in best[::-1]}
    plain = best == ["iso"] and most < len(given)
    return [None] if plain else list(readings.values())[::-1]


def parse_all(cells: Sequence[str], date_format: str) -> int:
    """Return the number of cells that are dates in a format."""
    return sum(parse_date(cell, date_format) is not None for cell in cells)


def candidates(cells: Sequence[str]) -> Iterator[str]:
    """Yield the formats of which one of the first cells is a date."""
    yield "iso"
    lengths = {len(cell.partition(".")[0].lstrip("-")) for cell in cells[:1]}
    yield from (COUNTS[length] for length in lengths & COUNTS.keys())
    for day in DAYS:
        for time in TIMES:
            if any(parse_date(cell, day + time) for cell in cells[:5]):
                yield day + time


def is_date(text: str) -> bool:
    """Return whether a text is a date in any of the formats."""
    return next((True for found in candidates([text]) if parse_date(text, found)), False)
