"""Script names are written and read by one pair of functions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpogen.rendering.naming import ScriptName, parse_script_name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (ScriptName(2_000_000_000, 1, None), "hpo_2B_h1"),
        (ScriptName(2_000_000, 3, "threshold_0.5pct"), "hpo_2M_h3_threshold_0p5pct"),
        (ScriptName(2_000_000, None, "byte_lm"), "hpo_2M_byte_lm"),
        (ScriptName(1_500_000_000, 5, "direction"), "hpo_1.5B_h5_direction"),
        (ScriptName(2_000_000_000, 1, None, 43), "hpo_2B_h1_s43"),
        (ScriptName(2_000_000, None, "byte_lm", 0), "hpo_2M_byte_lm_s0"),
        (ScriptName(2_000_000, None, "byte_lm", 0, 2), "hpo_2M_byte_lm_s0_S2"),
    ],
)
def test_a_name_says_budget_horizon_task_seed_and_stage(name: ScriptName, text: str) -> None:
    assert str(name) == text
    assert parse_script_name(f"{text}.py") == name


@given(
    st.integers(min_value=1, max_value=10**12),
    st.none() | st.integers(min_value=1, max_value=99),
    st.sampled_from([None, "direction", "byte_lm", "threshold_1pct", "threshold_2.25pct"]),
    st.none() | st.integers(min_value=0, max_value=2**63 - 1),
    st.none() | st.integers(min_value=0, max_value=9),
)
def test_a_name_reads_back(
    budget: int, horizon: int | None, task: str | None, seed: int | None, stage: int | None
) -> None:
    name = ScriptName(budget, horizon, task, seed, stage)
    assert parse_script_name(str(name)) == name


@pytest.mark.parametrize(
    "text",
    ["", "hpo.py", "train_2M.py", "hpo_2G_h1.py", "hpo_2M_h1.txt", "hpo_0M_h1.py", "hpo_1.5_h1.py",
     "hpo_2M_h1_s-1.py", "hpo_2..M_h1.py", "hpo_2M_h1.py\n"],
)  # fmt: skip
def test_other_names_are_not_read(text: str) -> None:
    assert parse_script_name(text) is None
