"""Budgets: numbers of parameters such as 350K, 2M or 1.5B."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

from hpogen.configuration.yaml_file import shown
from hpogen.errors import UsageError

UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9}
LARGEST = 10**15
BUDGET_HELP = "write a number of parameters such as 350K, 2M or 1.5B"


def parse_budget(text: str) -> int:
    """Return the number of parameters of a budget such as 350K, 1.5B or 2_000_000.

    Raises UsageError unless it is a whole number from 1 to 1,000,000B.
    """
    pattern = r"([0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?)([KMB]?)"
    match = re.fullmatch(pattern, text.strip().upper()) if len(text) <= 40 else None
    if match:
        count = Fraction(match[1].replace("_", "")) * UNITS[match[2]]
        if count.denominator == 1 and 0 < count <= LARGEST:
            return int(count)
    raise UsageError(f"budget {shown(repr(text))}: {BUDGET_HELP}")


def format_budget(budget: int) -> str:
    """Return the shortest exact form without a leading zero; of two such, the larger unit."""
    forms = [
        f"{(Decimal(budget) / size).normalize():f}{unit}"
        for unit, size in reversed(UNITS.items())
        if budget >= size
    ]
    return min(forms, key=len)
