"""Rendering: same specification, same bytes; what comes out is clean, and what the text says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hpogen.configuration.samplers import written_out
from hpogen.configuration.yaml_file import ConfigFile
from hpogen.rendering.literals import constant_line, literal, quoted
from hpogen.rendering.render import MARK, read_mark, render
from hpogen.spec import Spec, make_spec
from scripts import MARKET, changed, load, render_to, spec_of

ROOT = Path(__file__).parents[2]
RENDER = ["render", "--budget", "2M", "--horizon", "1", "--stdout"]


def test_the_same_specification_gives_the_same_bytes_anywhere(tmp_path: Path) -> None:
    outputs = set()
    for hash_seed, folder in (("0", tmp_path), ("1", ROOT), ("12345", Path("/"))):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "hpogen",
                *["render", "--budget", "2M", "--horizon", "1", "--stdout"],
            ],
            cwd=folder,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1


def test_two_horizons_differ_only_in_header_and_constants() -> None:
    one = render(make_spec(budget="2M", horizon=1)).splitlines()
    three = render(make_spec(budget="2M", horizon=3)).splitlines()
    assert len(one) == len(three)
    different = [a for a, b in zip(one, three, strict=True) if a != b]
    own = [line for line in different if not line.startswith((MARK, " ", '"""', "Rendered by"))]
    assert own[:2] == ['NAME = "hpo_2M_h1"', "HORIZON = 1  # trading days ahead"]
    assert [line.split(" = ")[0] for line in own[2:]] == ["HPOGEN"]
    first_definition = next(i for i, line in enumerate(one) if line.startswith("def "))
    assert all(line in one[:first_definition] for line in different if line not in own[2:])


@pytest.mark.parametrize("number", ["1", "0.5", "12.25"])
def test_a_script_says_the_number_of_its_task(number: str) -> None:
    script = render(make_spec(budget="2M", horizon=1, task=f"threshold_{number}pct"))
    assert f"\nWill the High reach Close + {number} % within the horizon" in script


def test_no_absolute_path_user_or_time_is_in_a_script(tmp_path: Path) -> None:
    script = render(make_spec(budget="2M", horizon=1))
    for text in (str(ROOT), str(tmp_path), str(Path.home()), "2026-", "Generated"):
        assert text not in script.replace("2026-11-21 10:15:00,123", "")


def test_the_header_line_holds_the_specification() -> None:
    spec = make_spec(budget="2B", horizon=5, task="direction", options={"loss": "focal"})
    found = read_mark(render(spec))
    assert found is not None
    assert Spec.model_validate(found) == spec
    assert next(line for line in render(spec).splitlines() if line.startswith(MARK)).isascii()


def test_constants_have_the_value_of_the_specification(tmp_path: Path) -> None:
    config = changed(MARKET, study={"seed": 11, "n_trials": 9}, horizon=3, tolerance=0.3)
    spec, names = spec_of(tmp_path, config), load(render_to(tmp_path, config))
    assert (names["SEED"], names["N_TRIALS"], names["HORIZON"]) == (11, 9, 3)
    assert (names["BUDGET"], names["TOLERANCE"], names["TASK"]) == (9000, 0.3, "threshold_1pct")
    shown_beside = {constant.name for constant in spec.family.constants if constant.beside}
    for name in spec.constants.keys() - shown_beside:
        assert names[name.upper()] == spec.constants[name]
    assert names["FIXED_PARAMS"] == spec.fixed
    found = {name: {**entry, "when": {}} for name, entry in names["SEARCH_SPACE"].items()}
    assert found == {k: v.model_dump() for k, v in spec.search.items()}
    assert names["SAMPLER"] == written_out(spec.sampler)
    assert names["PRUNER"] == {**spec.pruner.model_dump(), "type": "MedianPruner"}


def test_there_is_one_architecture_per_line() -> None:
    script = render(make_spec(budget="2M", horizon=1))
    rows = [line for line in script.splitlines() if line.startswith('    {"d_model": ')]
    assert len(rows) == 80
    assert rows[0] == (
        '    {"d_model": 64, "n_layers": 64, "n_heads": 2, "d_ff": 128, "params": 2147653},'
    )


@given(st.text(st.sampled_from("\\'\"\n{x")) | st.text(st.characters(exclude_categories=())))
@example("\\'")
@example("\\'''")
def test_text_cannot_break_out_of_a_literal(text: str) -> None:
    source = quoted(text)
    assert source.isascii()
    assert "\n" not in source
    assert eval(source, {"__builtins__": {}}) == text  # noqa: S307


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False,
        allow_infinity=False),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)  # fmt: skip
def test_values_are_written_as_they_are(value: Any) -> None:
    assert eval(literal(value), {"__builtins__": {}}) == value  # noqa: S307


def test_a_value_without_a_literal_is_refused() -> None:
    with pytest.raises(ValueError, match="nan has no literal"):
        literal(float("nan"))


def test_a_comment_that_does_not_fit_stands_above() -> None:
    assert constant_line("X", 1, "short") == "X = 1  # short"
    assert constant_line("X", "v" * 90, "note") == f'# note\nX = "{"v" * 90}"'


def test_the_specification_in_the_header_is_json_without_spaces() -> None:
    config = ConfigFile("x", {"data": {"data_path": "a bé.csv"}}, {})
    spec = make_spec(budget="2M", horizon=1, config=config)
    assert " " not in spec.to_json()
    assert json.loads(spec.to_json())["constants"]["data_path"] == "a bé.csv"
