"""Marks of numbers: decimal mark, mark of thousands and units, as the cells of a file show."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from hpo_script.families.market.cells import CURRENCIES, MISSING, number_pattern

PLAIN = number_pattern(".", "")
SIGNS = re.compile(
    rf"[{re.escape(CURRENCIES)}]?[+-]?([0-9][0-9.,' ]*|[.,][0-9]+)([eE][+-]?[0-9]+)?"
)
UNIT = re.compile(r" ?[%KMBTkmbt]$")


class Marks(NamedTuple):
    """How the numbers of a file are written."""

    decimal: str = "."
    thousands: str = ""
    units: bool = False


def find_marks(cells: Iterable[str]) -> Marks | None:
    """Return the marks that the numbers among some cells show; None: a comma may be either.

    A mark is decisive where it repeats, stands beside another, or has not three digits behind it.
    """
    cells = list(cells)
    odd = [cell for cell in cells if not PLAIN.fullmatch(cell)]
    if not any(map(looks_like_number, odd)):
        return Marks()
    numbers = [" ".join(cell.split()) for cell in cells if looks_like_number(cell)]
    bare = [UNIT.sub("", text).lstrip(CURRENCIES) for text in numbers]
    found = Counter(mark for text in bare for mark in shown_marks(text))
    points, commas = found["decimal", "."], found["decimal", ","]
    if not (points or commas) and found["either", ","] and not found["thousands", ","]:
        return None
    decimal = "," if commas > points or (not points and found["thousands", "."]) else "."
    others = [mark for mark in ",.' " if mark != decimal]
    groups = [mark for mark in others if found["thousands", mark] or found["either", mark]]
    return Marks(decimal, groups[0] if groups else "", units=bare != numbers)


def shown_marks(text: str) -> list[tuple[str, str]]:
    """Return what the marks in a number must be: (decimal, thousands or either, the mark)."""
    marks = [char for char in text if char in ",.' "]
    kinds = list(dict.fromkeys(marks))
    if len(kinds) == 2 and marks[-1] == kinds[1] and marks.count(kinds[1]) == 1:
        return [("thousands", kinds[0]), ("decimal", kinds[1])]
    if len(kinds) != 1:
        return []
    mark = kinds[0]
    whole, _, rest = text.lstrip("+-").partition(mark)
    if len(marks) > 1 or mark in "' ":
        return [("thousands", mark)]
    can_group = re.fullmatch("[1-9][0-9]{0,2}", whole) and re.fullmatch("[0-9]{3}", rest)
    return [("either" if can_group else "decimal", mark)]


def looks_like_number(text: str) -> bool:
    """Return whether a text is a number in any of the forms that can be read."""
    return SIGNS.fullmatch(UNIT.sub("", " ".join(text.split()))) is not None


def is_text(column: Iterable[str]) -> bool:
    """Return whether the first value of a column is no number; so also if it has no value.

    A column of an indicator often starts with rows that have none: missing, not text.
    """
    given = (value for value in column if value.strip().lower() not in MISSING)
    first = next(given, "")
    return not looks_like_number(first) and first.strip(" +-").lower() not in INFINITE


INFINITE = {"inf", "infinity"}
