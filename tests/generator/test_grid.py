"""Grids hold what fits the budget, exactly; extremes reach every end."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpogen.errors import ConfigError, UsageError
from hpogen.families.shared import AXES as MARKET_AXES
from hpogen.grid.budget_filter import nearest_budgets, within_budget
from hpogen.grid.extremes import extreme_indices
from hpogen.grid.grid_report import grid_report
from hpogen.spec import Spec, make_spec
from hpogen.spec.spec_warnings import spec_warnings
from scripts import MARKET, changed, load, render_to, spec_of

BUDGETS = ("2M", "20M", "200M", "2B")


def grid(budget: str, task: str | None = None) -> list[dict[str, int]]:
    return make_spec(budget=budget, task=task, any_horizon=True).architectures


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
    for row in spec.architectures:
        assert abs(row["params"] / spec.budget - 1) <= spec.tolerance
        assert row["d_model"] % row["n_heads"] == 0


def test_no_architecture_that_fits_is_left_out() -> None:
    spec = make_spec(budget="2M", horizon=1)
    family = spec.family
    fitting = 0
    for arch in family.candidates(spec.architecture):
        count = family.count_params(arch, spec.constants, spec.options)
        fitting += 1_500_000 <= count <= 2_500_000
    assert fitting == len(spec.architectures) == 80


def test_the_bounds_belong_to_the_budget() -> None:
    candidates = [
        {"d_model": 2, "n_layers": 1, "n_heads": 1, "d_ff": 4, "params": params}
        for params in (74, 75, 125, 126)
    ]
    rows = within_budget(candidates, budget=100, tolerance=0.25)
    assert [row["params"] for row in rows] == [75, 125]


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
    with pytest.raises(UsageError, match=r"fits 0 architectures.*nearest parameter counts are"):
        assert make_spec(budget="1K", horizon=1).architectures


@given(st.lists(st.integers(1, 10**9), min_size=1), st.integers(1, 10**9))
def test_the_nearest_counts_are_real_ones(counts: list[int], budget: int) -> None:
    near = nearest_budgets(counts, budget)
    assert set(near) <= set(counts)
    best = min(counts, key=lambda c: max(c / budget, budget / c))
    assert best in near


def grid_of(folder: Path, **architecture: Any) -> Spec:
    """Return the specification of a small market search with a changed architecture section."""
    return spec_of(folder, changed(MARKET, architecture=architecture))


def test_any_heads_and_any_ratio_that_give_whole_sizes_are_in_the_grid(tmp_path: Path) -> None:
    spec = grid_of(tmp_path, d_model=[12, 24], n_heads=[6, 12], d_ff_ratio=[1.5, 2.25])
    found = {(row["d_model"], row["n_heads"], row["d_ff"]) for row in spec.candidates}
    assert found == {
        *((12, heads, d_ff) for heads in (6, 12) for d_ff in (18, 27)),
        *((24, heads, d_ff) for heads in (6, 12) for d_ff in (36, 54)),
    }


@pytest.mark.parametrize(
    ("where", "keep"),
    [
        ({"d_model": {"min": 17}}, lambda row: row["d_model"] >= 17),
        ({"n_layers": {"max": 2}}, lambda row: row["n_layers"] <= 2),
        ({"d_ff": {"min": 48, "max": 48}}, lambda row: row["d_ff"] == 48),
        ({"head_dim": {"min": 8}}, lambda row: row["d_model"] // row["n_heads"] >= 8),
        (
            {"d_model": {"max": 16}, "n_heads": {"min": 4}},
            lambda row: row["d_model"] <= 16 and row["n_heads"] >= 4,
        ),
    ],
)
def test_a_filter_keeps_what_is_within_its_bounds(
    tmp_path: Path, where: dict[str, Any], keep: Callable[[Mapping[str, int]], bool]
) -> None:
    everything = grid_of(tmp_path).architectures
    kept = grid_of(tmp_path, where=where).architectures
    assert kept == [row for row in everything if keep(row)]
    assert 0 < len(kept) < len(everything)


def test_skipped_rows_keep_their_number_and_are_no_extremes(tmp_path: Path) -> None:
    whole = grid_of(tmp_path)
    spec = grid_of(tmp_path, skip=[0, {"n_layers": 1, "n_heads": 4}])
    assert spec.architectures == whole.architectures
    expected = [
        idx
        for idx, row in enumerate(whole.architectures)
        if idx == 0 or (row["n_layers"], row["n_heads"]) == (1, 4)
    ]
    assert spec.skipped == expected
    assert len(expected) > 1
    names = load(render_to(tmp_path, spec_config(skip=[0, {"n_layers": 1, "n_heads": 4}])))
    assert names["SKIP_INDICES"] == expected
    assert not set(names["EXTREME_INDICES"]) & set(expected)
    space = spec.space()
    cells = itertools.product(*(range(size) for size in space.sizes().values()))
    reached = {space.decode(dict(zip(space.sizes(), cell, strict=True))) for cell in cells}
    assert reached == set(range(len(whole.architectures))) - set(expected)


def spec_config(**architecture: Any) -> dict[str, Any]:
    """Return a small market search with a changed architecture section."""
    return changed(MARKET, architecture=architecture)


def test_a_memory_ceiling_skips_what_needs_more_for_a_batch_of_one(tmp_path: Path) -> None:
    whole = grid_of(tmp_path)
    needs = [16 * row["params"] + whole.sample_bytes(row) for row in whole.architectures]
    ceiling = sorted(needs)[len(needs) // 2] / 1e9
    spec = grid_of(tmp_path, max_memory_gb=ceiling)
    assert spec.architectures == whole.architectures
    assert spec.skipped == [idx for idx, need in enumerate(needs) if need > ceiling * 1e9]
    assert spec.skipped
    with pytest.raises(UsageError, match=r"leave 0 of \d+ architectures.*smallest needs 0\.00 GB"):
        assert grid_of(tmp_path, max_memory_gb=1e-9).skipped


@pytest.mark.parametrize(
    ("skip", "message"),
    [
        ([99], "architecture.skip.0: arch_idx 99 does not exist; the last one is"),
        ([{"d_modle": 8}], "architecture.skip.0.d_modle: unknown column; did you mean d_model?"),
        (
            [{"d_model": 9}],
            "architecture.skip.0: no architecture within the budget has {'d_model': 9}",
        ),
        ([-1], "architecture.skip.0: write an arch_idx or columns"),
        ([True], "architecture.skip.0: write an arch_idx or columns"),
    ],
)
def test_what_cannot_be_skipped_is_refused(tmp_path: Path, skip: list[Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        grid_of(tmp_path, skip=skip)
    assert str(caught.value).split(": ", 1)[1].startswith(message)


def test_the_plane_of_width_and_depth_says_what_fits() -> None:
    report = grid_report(make_spec(budget="2M", horizon=1))
    depths = MARKET_AXES["n_layers"]
    fitting = {(row["d_model"], row["n_layers"]) for row in report["architectures"]}
    for width, states in report["cells"].items():
        for depth, state in zip(depths, states, strict=True):
            assert (state == "fits") == ((int(width), depth) in fitting)
    assert report["cells"]["64"][0] == "small"
    assert report["cells"]["2048"][0] == "large"
    assert report["unreached"]["d_model"] == [512, 768, 1024, 1536, 2048]


budgets = st.floats(math.log(50_000), math.log(2_000_000_000)).map(lambda x: round(math.exp(x)))
ENDS = (50_000, 999_999, 1_000_000, 2_999_999, 3_000_000, 2_000_000_000)


@pytest.mark.parametrize("task", ["threshold_1pct", "direction", "byte_lm"])
@settings(max_examples=40, deadline=None)
@given(budget=st.one_of(st.sampled_from(ENDS), budgets))
def test_the_default_axes_give_at_least_five_shapes_at_every_budget(
    task: str, budget: int
) -> None:
    spec = make_spec(budget=str(budget), task=task, any_horizon=True)
    assert len(spec.space().shapes) >= 5
    assert not [text for text in spec_warnings(spec) if text.startswith("architecture")]
