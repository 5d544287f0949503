"""Grids hold what fits the budget, exactly; extremes reach every end."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpogen.errors import UsageError
from hpogen.extremes import extreme_indices
from hpogen.grid import nearest_budgets, within_budget
from hpogen.spec import make_spec

BUDGETS = ("2M", "20M", "200M", "2B")


def grid(budget: str, task: str | None = None) -> list[dict[str, int]]:
    return make_spec(budget=budget, task=task, any_horizon=True).architectures()


@pytest.mark.parametrize(
    ("budget", "n_architectures", "n_shapes"),
    [("2M", 80, 16), ("20M", 75, 15), ("200M", 125, 25), ("2B", 75, 15)],
)
def test_the_default_grids_have_the_known_sizes(
    budget: str, n_architectures: int, n_shapes: int
) -> None:
    rows = grid(budget)
    assert len(rows) == n_architectures
    assert len({(r["d_model"], r["n_layers"], r["d_ff"]) for r in rows}) == n_shapes


@pytest.mark.parametrize("task", [None, "byte_lm"])
@pytest.mark.parametrize("budget", BUDGETS)
def test_every_architecture_is_within_tolerance(budget: str, task: str | None) -> None:
    spec = make_spec(budget=budget, task=task, any_horizon=True)
    for row in spec.architectures():
        assert abs(row["params"] / spec.budget - 1) <= spec.tolerance
        assert row["d_model"] % row["n_heads"] == 0


def test_no_architecture_that_fits_is_left_out() -> None:
    spec = make_spec(budget="2M", horizon=1)
    family = spec.family
    fitting = 0
    for arch in family.candidates(spec.architecture):
        count = family.count_params(arch, spec.constants, spec.options)
        fitting += 1_500_000 <= count <= 2_500_000
    assert fitting == len(spec.architectures()) == 80


def test_the_bounds_belong_to_the_budget() -> None:
    def count(arch: Mapping[str, int]) -> int:
        return arch["d_ff"]

    candidates = [
        {"d_model": 2, "n_layers": 1, "n_heads": 1, "d_ff": d_ff} for d_ff in (74, 75, 125, 126)
    ]
    rows = within_budget(candidates, count_params=count, budget=100, tolerance=0.25)
    assert [row["d_ff"] for row in rows] == [75, 125]


@pytest.mark.parametrize("budget", BUDGETS)
def test_rows_go_from_deep_and_narrow_to_shallow_and_wide(budget: str) -> None:
    aspects = [row["d_model"] / row["n_layers"] for row in grid(budget)]
    assert aspects == sorted(aspects)


@pytest.mark.parametrize("task", [None, "byte_lm"])
@pytest.mark.parametrize("budget", BUDGETS)
def test_every_end_of_every_axis_is_reached(budget: str, task: str | None) -> None:
    rows = grid(budget, task)
    axes = ("d_model", "n_layers", "n_heads")
    extremes = extreme_indices(rows, axes)
    for axis in axes:
        for name, end in (("min", min), ("max", max)):
            named = [i for i, ends in extremes.items() if f"{name} {axis}" in ends.split(", ")]
            assert len(named) == 1
            assert rows[named[0]][axis] == end(row[axis] for row in rows)


def test_one_architecture_may_stand_for_two_ends() -> None:
    rows = grid("20M")
    both = [
        ends for ends in extreme_indices(rows, ("d_model", "n_layers")).values() if "," in ends
    ]
    assert both == ["max d_model, min n_layers"]


def test_an_axis_of_one_value_has_no_ends() -> None:
    rows = [
        {"d_model": 8, "n_layers": n, "n_heads": 2, "d_ff": 16, "params": 1} for n in (1, 2, 3)
    ]
    assert extreme_indices(rows, ("d_model", "n_layers")) == {0: "min n_layers", 2: "max n_layers"}


def test_an_extreme_is_the_nearest_to_the_centre_of_the_other_columns() -> None:
    rows = [
        {"d_model": d_model, "n_layers": n_layers, "n_heads": 2, "d_ff": d_ff, "params": 1}
        for d_model, n_layers, d_ff in [
            (64, 2, 64),
            (64, 8, 512),
            (64, 8, 128),
            (64, 64, 128),
            (128, 8, 128),
            (256, 8, 128),
        ]
    ]
    assert extreme_indices(rows, ("d_model",)) == {2: "min d_model", 5: "max d_model"}


def test_a_budget_without_architectures_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"0 architectures fit.*nearest parameter counts are"):
        make_spec(budget="1K", horizon=1).architectures()


@given(st.lists(st.integers(1, 10**9), min_size=1), st.integers(1, 10**9))
def test_the_nearest_counts_are_real_ones(counts: list[int], budget: int) -> None:
    near = nearest_budgets(counts, budget)
    assert set(near) <= set(counts)
    best = min(counts, key=lambda c: max(c / budget, budget / c))
    assert best in near
