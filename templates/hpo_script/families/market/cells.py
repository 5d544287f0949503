"""Cells: the number or the date in the text of a cell."""

from __future__ import annotations

import functools
import math
import re
from datetime import datetime, timedelta

MISSING = {"", "-", "--", ".", "?", "n/a", "#n/a", "<na>", "na", "nan", "nat", "none", "null"}
FACTORS = {"%": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
CURRENCIES = "$\u20ac\u00a3\u00a5"
EPOCH = datetime(1970, 1, 1)
PER_SECOND = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
COUNT = re.compile(r"-?[0-9]+(\.0*)?")
ISO_DATE = re.compile(
    r"([0-9]{4})(?:-([0-9]{1,2})-([0-9]{1,2})|([0-9]{2})([0-9]{2}))"
    r"(?:[ T]([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9])(?:\.([0-9]{1,9}))?)?)?"
)
ZONE = re.compile(r" ?(Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})$")
FIRST_YEAR, LAST_YEAR = 1700, 2199  # pandas 2 holds no dates far outside


@functools.cache
def number_pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    """Return the pattern of a number with these marks."""
    mark, group = re.escape(decimal), re.escape(thousands)
    whole = rf"(?:[0-9]{{1,3}}(?:{group}[0-9]{{3}})+|[0-9]+)" if thousands else "[0-9]+"
    return re.compile(rf"[+-]?(?:{whole}(?:{mark}[0-9]*)?|{mark}[0-9]+)(?:[eE][+-]?[0-9]+)?")


def parse_number(text: str, decimal: str, thousands: str, units: bool) -> float:
    """Return the number in a cell; NaN: the cell has no value; infinity: it holds no number."""
    text, factor = " ".join(text.split()), 1.0
    if text.lower() in MISSING:
        return math.nan
    if units:
        text = text.lstrip(CURRENCIES)
        if text[-1:].upper() in FACTORS:
            text, factor = text[:-1].rstrip(), FACTORS[text[-1].upper()]
    if not number_pattern(decimal, thousands).fullmatch(text):
        return math.inf
    plain = text.replace(thousands, "") if thousands else text
    return float(plain.replace(decimal, ".")) * factor


def parse_date(text: str, date_format: str | None) -> datetime | None:
    """Return the date and time in a cell, in its own time zone; None: it holds no date.

    `date_format`: codes of strptime, the unit of a count since 1970, or for ISO 8601 iso or None.
    """
    text = text.strip()
    text = ZONE.sub("", text) if ":" in text else text
    try:
        moment = parse_moment(text, date_format)
    except (ValueError, OverflowError):
        return None
    return moment if moment and FIRST_YEAR <= moment.year <= LAST_YEAR else None


def parse_moment(text: str, date_format: str | None) -> datetime | None:
    """Return the date and time in a text. Raises ValueError, OverflowError."""
    if date_format in PER_SECOND:
        count = int(text.partition(".")[0]) if COUNT.fullmatch(text) else None
        unit = PER_SECOND[date_format]
        return None if count is None else EPOCH + timedelta(microseconds=count * 10**6 // unit)
    if date_format not in (None, "iso"):
        return datetime.strptime(text, date_format)
    match = ISO_DATE.fullmatch(text)
    if not match:
        return None
    year, *days, hour, minute, second, fraction = match.groups()
    month, day = (part for part in days if part)
    micros = (fraction or "").ljust(6, "0")[:6]
    clock = timedelta(
        hours=int(hour or 0),
        minutes=int(minute or 0),
        seconds=int(second or 0),
        microseconds=int(micros),
    )
    return datetime(int(year), int(month), int(day)) + clock
