"""The search benchmark runs, measures the script's own search, and its landscapes are frozen."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.search.grids import grid_of
from benchmarks.search.landscapes import ANALYTIC, FITTED, landscape
from benchmarks.search.methods import METHODS
from hpogen.spec import make_spec
from page_tools.pages import ROOT

# Values of four configurations on the landscapes of seed 0, and the noise.
FROZEN = {
    "centre": [0.566, 1.115, 1.066, 0.935, 0.2],
    "end": [1.428, 2.358, 0.739, 0.496, 0.2],
    "valley": [1.349, 1.329, 0.571, 3.216, 0.2],
    "cliff": [2.554, 2.112, 0.757, np.nan, 0.2],
    "basins": [1.474, 1.183, 0.638, 0.597, 0.2],
    "noisy": [1.372, 1.111, 0.411, 1.794, 0.5],
    "plain": [2.384, 1.734, 0.961, 1.058, 0.2],
    "byte_lm": [1.912, 3.626, 0.633, 1.084, 0.356],
    "plates": [1.468, 0.858, 0.162, 1.762, 0.4],
    "graphs": [0.898, 1.157, 0.594, 0.903, 0.4],
}


def test_quick_mode_prints_every_fast_method() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "search", "--quick"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests/benchmarks")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name in ("ours", "predecessor", "random", "expert prior"):
        assert f"\n| {name} | 1 |" in done.stdout


def test_ours_is_the_search_of_a_rendered_script() -> None:
    grid = grid_of("2M")
    digest = grid.script["HPOGEN"].split()[1]
    assert make_spec(budget="2M", horizon=1).sha256().startswith(digest)
    study = METHODS["ours"](grid, 0)
    assert type(study.study.sampler) is grid.script["StudySampler"]  # type: ignore[attr-defined]
    assert grid.script["SAMPLER"]["type"] == "JointTPE"
    tried = [study.ask()["arch_idx"] for _ in grid.extremes]
    assert tried == list(grid.extremes)


@pytest.mark.parametrize("kind", [*ANALYTIC, *FITTED])
def test_landscapes_are_frozen(kind: str) -> None:
    grid = grid_of("2M")
    land = landscape(kind, 0, grid)
    values = land.value(grid.random_points(4, np.random.default_rng(0)))
    np.testing.assert_array_equal([*values.round(3), land.noise], FROZEN[kind])
