"""Feature columns that add no information, and those that hold the price of a later row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from hpogen.families.market.data_file import PRICE_COLUMNS
from hpogen.yaml_file import shown

MAX_SHIFT = 20  # rows ahead in which a copy of a price is looked for

Values = Mapping[str, Sequence[float]]


def column_warnings(values: Values, columns: Sequence[str]) -> list[str]:
    """Return a warning for each feature column that should not be one.

    `values` holds the rows of each numeric column of the file, `columns` the feature columns.
    """
    faults = {name: find_fault(values, columns, name) for name in columns}
    rest = shown(", ".join(name for name in columns if not faults[name]), 300)
    return [
        f"data.feature_columns: {shown(name)} {fault}; leave it out: feature_columns: [{rest}]"
        for name, fault in faults.items()
        if fault
    ]


def find_fault(values: Values, columns: Sequence[str], name: str) -> str | None:
    """Return why a column should not be a feature, None if there is no reason."""
    column = values[name]
    if counts_rows(column):
        return "only counts rows"
    for other in comparable(columns, name):
        if same(column, values[other]):
            return f"repeats {shown(other)}"
    # In some markets the Close of a day is the Open of the next: a price is no leak.
    return None if name in PRICE_COLUMNS else find_leak(values, column)


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
