"""Values of a log as text for people: safe, short and with units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hpogen.configuration.yaml_file import shown

BYTE_UNITS = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0))
TIME_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))
LARGEST = 1e150
LONGEST = 60  # characters of a name or value from a log


def finite(value: Any) -> float | None:
    """Return a number that can be squared as a float; None for anything else, bool included."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if -LARGEST < value < LARGEST else None


def text_of(value: Any, most: int = LONGEST) -> str:
    """Return a value for a table: floats with five digits, text without control characters."""
    if isinstance(value, float):
        return f"{value:.5g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value}" if abs(value) < 10**15 else "more than 15 digits"
    return shown(value, most)


def count(number: float) -> str:
    """Return a large number in short form: `2.41M`, `1.3e+15` beyond 1e15."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if size <= abs(number) < 1e15:
            return f"{number / size:.3g}{unit}"
    return f"{number:.3g}"


def data_size(size: float) -> str:
    """Return a number of bytes: `595 MB`."""
    unit, factor = next((u for u in BYTE_UNITS if size >= u[1]), BYTE_UNITS[-1])
    return f"{size / factor:.3g} {unit}"


def duration(seconds: float) -> str:
    """Return a time: `8.5 s`, `3 min`, `2 h 5 min`."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    parts = []
    rest = round(seconds) if seconds < 3_600 else round(seconds / 60) * 60
    for unit, size in TIME_UNITS:
        whole, rest = divmod(rest, size)
        if whole:
            parts.append(f"{whole} {unit}")
    return " ".join([*parts, *([f"{rest} s"] if rest else [])][:2])


def listed(items: Sequence[str], most: int = 8) -> str:
    """Return items as text: `a, b and c`; more than `most` are counted."""
    if len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def plural(number: int, noun: str) -> str:
    """Return a count with its noun: `1 trial`, `3 trials`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
