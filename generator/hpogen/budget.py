"""Parameter budgets: 350K, 2M, 1.5B, 2_000_000."""

from __future__ import annotations

import re
from decimal import Decimal

from hpogen.errors import UsageError

UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9}


def parse_budget(text: str) -> int:
    """Return the number of parameters a budget names.

    Raises UsageError for anything but a positive whole number, written out or in K, M or B.
    """
    match = re.fullmatch(r"(\d+(?:_\d+)*(?:\.\d+)?)([KMB]?)", text.strip().upper())
    if match:
        count = Decimal(match[1].replace("_", "")) * UNITS[match[2]]
        if count == int(count) and count > 0:
            return int(count)
    raise UsageError(f"budget {text!r}: write a number of parameters like 350K, 2M, 1.5B")


def format_budget(budget: int) -> str:
    """Return the shortest exact form without a leading zero; of equals, the larger unit."""
    forms = [
        f"{(Decimal(budget) / size).normalize():f}{unit}"
        for unit, size in reversed(UNITS.items())
        if budget >= size
    ]
    return min(forms, key=len)
