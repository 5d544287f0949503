"""Budgets are exact, and written in one way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpogen.errors import UsageError
from hpogen.grid.budget import format_budget, parse_budget


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("2B", 2_000_000_000),
        ("1.5B", 1_500_000_000),
        ("350K", 350_000),
        ("350k", 350_000),
        ("2_000_000", 2_000_000),
        ("2000000", 2_000_000),
        ("0.0005M", 500),
        (" 2M ", 2_000_000),
        ("1", 1),
    ],
)
def test_a_budget_is_the_number_it_names(text: str, count: int) -> None:
    assert parse_budget(text) == count


@pytest.mark.parametrize(
    "text", ["", "0", "-2M", "2G", "M", "1.5", "0.0001K", "2M M", "1e6", "2__0", "²M", "nan"]
)
def test_what_is_no_whole_number_of_parameters_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="budget"):
        parse_budget(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (2_000_000, "2M"),
        (350_000, "350K"),
        (1_500_000_000, "1.5B"),
        (1000, "1K"),
        (999, "999"),
        (1234, "1234"),
        (100_000_000, "100M"),
    ],
)
def test_a_budget_is_written_in_its_shortest_form(count: int, text: str) -> None:
    assert format_budget(count) == text


@given(st.integers(min_value=1, max_value=10**13))
def test_a_written_budget_reads_back(count: int) -> None:
    assert parse_budget(format_budget(count)) == count
