"""Checks for feature columns that hold the price of a later row, or no information.

column_choice.py decides whether such a column is left out or refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from hpogen.configuration.yaml_file import shown
from hpogen.families.market.constants import PRICE_COLUMNS

MAX_SHIFT = 20  # largest number of rows between a price and an earlier copy of it

Values = Mapping[str, Sequence[float]]


def idle_columns(values: Values, columns: Sequence[str], n_train: int) -> dict[str, str]:
    """Return {feature column: reason} for columns without information of their own.

    `values` maps each numeric column to its rows, of which the first `n_train` are the training
    split; `columns` are the feature columns.
    """
    reasons: dict[str, str] = {}
    for name in columns:
        column = values[name]
        others = (other for other in comparable(columns, name) if other not in reasons)
        if len(set(column[:n_train])) == 1:
            reasons[name] = "never changes in the training rows"
        elif counts_rows(column):
            reasons[name] = "only counts rows"
        elif other := next((other for other in others if same(column, values[other])), None):
            reasons[name] = f"repeats {shown(other)}"
    return reasons


def leaks(values: Values, columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (column, fault) for feature columns with the price of a later row."""
    for name in columns:
        # In some markets the Open repeats the Close of the day before, so prices are not checked.
        if name not in PRICE_COLUMNS and (fault := find_leak(values, values[name])):
            yield name, fault


def comparable(columns: Sequence[str], name: str) -> list[str]:
    """Return the columns that a column must not repeat; prices take precedence."""
    before = list(columns[: list(columns).index(name)])
    prices = [price for price in PRICE_COLUMNS if price in columns]
    if name in prices:
        return [other for other in before if other in prices]
    return [*prices, *(other for other in before if other not in prices)]


def counts_rows(column: Sequence[float]) -> bool:
    """Return whether all rows differ from the row before by the same amount."""
    step = column[1] - column[0] if len(column) > 1 else 0
    differences = (after - before for before, after in pairwise(column))
    return step != 0 and all(
        math.isclose(difference, step, rel_tol=1e-6) for difference in differences
    )


def find_leak(values: Values, column: Sequence[float]) -> str | None:
    """Return which later price a column holds; None if it holds none."""
    for ahead in range(1, min(MAX_SHIFT, len(column) - 1) + 1):
        for price in PRICE_COLUMNS:
            if price in values and same(column[:-ahead], values[price][ahead:]):
                rows = "1 row" if ahead == 1 else f"{ahead} rows"
                return f"holds {price} of {rows} later, which is unknown on that day"
    return None


def same(first: Sequence[float], second: Sequence[float]) -> bool:
    """Return whether two columns are equal except for rounding."""
    pairs = zip(first, second, strict=True)
    return all(math.isclose(left, right, rel_tol=1e-6) for left, right in pairs)
