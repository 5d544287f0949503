"""Formats of numbers: decimal separator, thousands separator and units."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from hpo_script.families.market.cells import CURRENCIES, MISSING, number_pattern

STANDARD = number_pattern(".", "")
NUMBER = re.compile(
    rf"[{re.escape(CURRENCIES)}]?[+-]?([0-9][0-9.,' ]*|[.,][0-9]+)([eE][+-]?[0-9]+)?"
)
UNIT = re.compile(r" ?[%KMBTkmbt]$")
INFINITE = {"inf", "infinity"}


class NumberFormat(NamedTuple):
    """Separators of the numbers in a file, and whether they may have a unit or currency sign."""

    decimal: str = "."
    thousands: str = ""
    units: bool = False


def find_number_format(cells: Iterable[str]) -> NumberFormat | None:
    """Return the format of the numbers among some cells; None if a comma is ambiguous.

    A separator is ambiguous if it occurs once in a number, alone, and three digits follow it.
    """
    cells = list(cells)
    others = [cell for cell in cells if not STANDARD.fullmatch(cell)]
    if not any(map(looks_like_number, others)):
        return NumberFormat()
    numbers = [" ".join(cell.split()) for cell in cells if looks_like_number(cell)]
    bare = [UNIT.sub("", text).lstrip(CURRENCIES) for text in numbers]
    counts = Counter(role for text in bare for role in roles_of_separators(text))
    points, commas = counts["decimal", "."], counts["decimal", ","]
    if not (points or commas) and counts["either", ","] and not counts["thousands", ","]:
        return None
    decimal = "," if commas > points or (not points and counts["thousands", "."]) else "."
    possible = [char for char in ",.' " if char != decimal]
    thousands = [char for char in possible if counts["thousands", char] or counts["either", char]]
    return NumberFormat(decimal, thousands[0] if thousands else "", units=bare != numbers)


def roles_of_separators(text: str) -> list[tuple[str, str]]:
    """Return (role, separator) for a number; the roles are decimal, thousands and either."""
    separators = [char for char in text if char in ",.' "]
    kinds = list(dict.fromkeys(separators))
    if len(kinds) == 2 and separators[-1] == kinds[1] and separators.count(kinds[1]) == 1:
        return [("thousands", kinds[0]), ("decimal", kinds[1])]
    if len(kinds) != 1:
        return []
    separator = kinds[0]
    before, _, after = text.lstrip("+-").partition(separator)
    if len(separators) > 1 or separator in "' ":
        return [("thousands", separator)]
    can_group = re.fullmatch("[1-9][0-9]{0,2}", before) and re.fullmatch("[0-9]{3}", after)
    return [("either" if can_group else "decimal", separator)]


def looks_like_number(text: str) -> bool:
    """Return whether a text is a number in any format that can be read."""
    return NUMBER.fullmatch(UNIT.sub("", " ".join(text.split()))) is not None


def is_text(column: Iterable[str]) -> bool:
    """Return whether the first value of a column is not a number, or all its values are missing.

    The first rows of an indicator are often missing; they do not make it a column of text.
    """
    values = (value for value in column if value.strip().lower() not in MISSING)
    first = next(values, "")
    return not looks_like_number(first) and first.strip(" +-").lower() not in INFINITE
