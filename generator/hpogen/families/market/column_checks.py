"""Feature columns that add no information, and those that hold the price of a later row."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from hpogen.configuration.yaml_file import shown
from hpogen.families.market.constants import PRICE_COLUMNS

MAX_SHIFT = 20  # rows ahead in which a copy of a price is looked for

Values = Mapping[str, Sequence[float]]


def idle_columns(values: Values, columns: Sequence[str], n_train: int) -> dict[str, str]:
    """Return {column: why it adds nothing} for feature columns without information of their own.

    `values` holds the rows of each column of numbers, `columns` the feature columns; `n_train`
    rows are of the training split.
    """
    found: dict[str, str] = {}
    for name in columns:
        column = values[name]
        others = (other for other in comparable(columns, name) if other not in found)
        if len(set(column[:n_train])) == 1:
            found[name] = "never changes in the training rows"
        elif counts_rows(column):
            found[name] = "only counts rows"
        elif other := next((other for other in others if same(column, values[other])), None):
            found[name] = f"repeats {shown(other)}"
    return found


def leaks(values: Values, columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (column, what it holds) for feature columns with the price of a later row."""
    for name in columns:
        # In some markets the Close of a day is the Open of the next: a price is no leak.
        if name not in PRICE_COLUMNS and (fault := find_leak(values, values[name])):
            yield name, fault


def comparable(columns: Sequence[str], name: str) -> list[str]:
    """Return the columns that another one may not repeat; of two equal ones a price stays."""
    before = list(columns[: list(columns).index(name)])
    prices = [price for price in PRICE_COLUMNS if price in columns]
    if name in prices:
        return [other for other in before if other in prices]
    return [*prices, *(other for other in before if other not in prices)]


def counts_rows(column: Sequence[float]) -> bool:
    """Return whether every row is the row before plus the same amount."""
    step = column[1] - column[0] if len(column) > 1 else 0
    differences = (after - before for before, after in pairwise(column))
    return step != 0 and all(math.isclose(found, step, rel_tol=1e-6) for found in differences)


def find_leak(values: Values, column: Sequence[float]) -> str | None:
    """Return which later price a column holds, None if it holds none."""
    for ahead in range(1, min(MAX_SHIFT, len(column) - 1) + 1):
        for price in PRICE_COLUMNS:
            if price in values and same(column[:-ahead], values[price][ahead:]):
                rows = "1 row" if ahead == 1 else f"{ahead} rows"
                return f"is {price} of {rows} later, which is unknown on that day"
    return None


def same(first: Sequence[float], second: Sequence[float]) -> bool:
    """Return whether all rows of two columns are equal, rounding apart."""
    pairs = zip(first, second, strict=True)
    return all(math.isclose(left, right, rel_tol=1e-6) for left, right in pairs)
