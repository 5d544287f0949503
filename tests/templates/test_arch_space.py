"""The architecture space and its list say the same."""

from __future__ import annotations

import pytest

from hpo_script.experiment.arch_space import ArchSpace
from hpogen.spec import make_spec


@pytest.mark.parametrize("task", [None, "byte_lm"])
@pytest.mark.parametrize("budget", ["2M", "20M", "200M", "2B"])
def test_every_row_decodes_to_itself(budget: str, task: str | None) -> None:
    space = make_spec(budget=budget, task=task, any_horizon=True).space()
    for arch_idx in range(len(space.rows)):
        assert space.decode(space.encode(arch_idx)) == arch_idx


@pytest.mark.parametrize("budget", ["2M", "20M", "200M", "2B"])
def test_every_choice_of_parameters_is_a_row_of_that_shape(budget: str) -> None:
    space = make_spec(budget=budget, any_horizon=True).space()
    sizes = space.sizes()
    for shape_idx in range(sizes["shape_idx"]):
        for n_heads_idx in range(sizes["n_heads_idx"]):
            params = {"shape_idx": shape_idx, "n_heads_idx": n_heads_idx}
            assert space.decode(params) in space.shapes[shape_idx]


def test_heads_that_a_shape_cannot_have_become_the_nearest_it_has() -> None:
    rows = [
        {"d_model": 64, "n_layers": 2, "n_heads": 4, "d_ff": 64, "params": 1},
        {"d_model": 64, "n_layers": 2, "n_heads": 8, "d_ff": 64, "params": 1},
        {"d_model": 96, "n_layers": 2, "n_heads": 6, "d_ff": 64, "params": 2},
        {"d_model": 96, "n_layers": 2, "n_heads": 12, "d_ff": 64, "params": 2},
    ]
    space = ArchSpace(rows, ["n_heads"], [])
    assert space.choices == {"n_heads": [4, 6, 8, 12]}
    heads = [
        [rows[space.decode({"shape_idx": s, "n_heads_idx": i})]["n_heads"] for i in range(4)]
        for s in (0, 1)
    ]
    assert heads == [[4, 8, 8, 8], [6, 6, 6, 12]]


def test_a_space_without_free_axes_has_one_parameter() -> None:
    rows = [{"d_model": n, "n_layers": 1, "params": n} for n in (1, 2, 3)]
    assert ArchSpace(rows, [], []).sizes() == {"shape_idx": 3}
