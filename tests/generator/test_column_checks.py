"""Feature columns that add nothing, or that hold a later price, are found; others are not."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpogen.families.market.leaking_columns import MAX_SHIFT, idle_columns, leaks

PRICES = ("Open", "High", "Low", "Close")
N_ROWS = 3 * MAX_SHIFT
seeds = st.integers(0, 10**9)
few = settings(max_examples=30, deadline=None)


def table(seed: int) -> dict[str, list[float]]:
    """Return four columns of prices and one of another kind, all of different numbers."""
    draw = random.Random(seed)  # noqa: S311  no secret
    return {name: [draw.uniform(10, 1000) for _ in range(N_ROWS)] for name in (*PRICES, "Extra")}


def faults(
    values: Mapping[str, Sequence[float]], columns: Sequence[str] | None = None
) -> dict[str, str]:
    """Return {column: what is wrong with it as a feature}."""
    columns = columns or list(values)
    return {**idle_columns(values, columns, N_ROWS), **dict(leaks(values, columns))}


@few
@given(seeds)
def test_columns_of_their_own_are_no_fault(seed: int) -> None:
    assert faults(table(seed)) == {}


@few
@given(seeds, st.integers(-5, 5), st.sampled_from([-2, -1, 0.1, 1, 7]))
def test_a_column_that_counts_rows_is_found(seed: int, start: int, step: float) -> None:
    found = table(seed) | {"Extra": [start + step * row for row in range(N_ROWS)]}
    assert faults(found) == {"Extra": "only counts rows"}


@few
@given(seeds, st.sampled_from(PRICES), st.booleans())
def test_a_copy_of_a_column_is_found_and_the_price_stays(
    seed: int, price: str, first: bool
) -> None:
    found = table(seed)
    found["Extra"] = found[price]
    columns = ["Extra", *PRICES] if first else [*PRICES, "Extra"]
    assert faults(found, columns) == {"Extra": f"repeats {price}"}


@few
@given(seeds, st.sampled_from(PRICES), st.integers(1, MAX_SHIFT), st.floats(1, 9))
def test_the_price_of_a_later_row_is_found_whatever_fills_its_end(
    seed: int, price: str, ahead: int, filler: float
) -> None:
    found = table(seed)
    found["Extra"] = [*found[price][ahead:], *[filler] * ahead]
    assert faults(found)["Extra"].startswith(f"holds {price} of {ahead} row")


@few
@given(seeds, st.sampled_from(PRICES), st.integers(1, MAX_SHIFT))
def test_the_price_of_an_earlier_row_is_a_feature_like_any_other(
    seed: int, price: str, back: int
) -> None:
    found = table(seed)
    found["Extra"] = [*[1.5] * back, *found[price][:-back]]
    assert faults(found) == {}


def test_a_market_that_never_closes_may_open_at_the_last_close() -> None:
    closes = [100.0 + (7 * row) % 11 for row in range(61)]
    found = {"Open": closes[:-1], "High": [200.0 + c for c in closes[1:]], "Close": closes[1:]}
    assert faults(found) == {}


@pytest.mark.parametrize("columns", [["Close", "Adj Close"], ["Adj Close", "Close"]])
def test_of_two_equal_prices_the_first_stays(columns: list[str]) -> None:
    closes = [100.0 + (7 * row) % 11 for row in range(60)]
    found = faults({"Close": closes, "Adj Close": closes}, columns)
    assert found == {columns[1]: f"repeats {columns[0]}"}


@pytest.mark.parametrize(("changes_at", "idle"), [(10, False), (N_ROWS // 2, True)])
def test_a_column_without_change_in_training_is_found(changes_at: int, idle: bool) -> None:
    found = table(1) | {"Extra": [float(row >= changes_at) for row in range(N_ROWS)]}
    idle_ones = idle_columns(found, list(found), N_ROWS // 2)
    assert idle_ones == ({"Extra": "never changes in the training rows"} if idle else {})


def test_of_three_equal_columns_one_stays() -> None:
    found = table(1)
    found |= {"One": found["Extra"], "Two": found["Extra"]}
    assert list(faults(found)) == ["One", "Two"]
