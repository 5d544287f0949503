"""The lines of the trial log: written, read back, and refused when damaged."""

from __future__ import annotations

import math
import re
from datetime import datetime
from enum import IntEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo_script.machinery.log_fields import EVENT_MEANINGS, FIELD_MEANINGS
from hpo_script.machinery.trial_log import (
    LOG_EVENTS,
    SHORT_NAMES,
    format_event,
    format_value,
    read_event,
)

TIME = datetime.fromisoformat("2026-11-21 10:15:00.123456")
NOTE = {"text": "a", "study": "0123456789ab", "run": "1a2b3c4d"}
START: dict[str, Any] = {
    "trial": 12,
    "arch_idx": 57, "d_model": 64, "n_layers": 48, "n_heads": 8, "params": 2_414_273,
    "lr": 0.00012520653814659472, "epochs": 50, "batch_size": 256, "d_ff": 256,
    "kind": "search", "config_id": "c12", "datetime_start": "2026-11-21 10:15:00",
    "study": "0123456789ab", "run": "1a2b3c4d",
}  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def note(**fields: Any) -> str:
    """Return the line of a note."""
    return format_event("note", {**NOTE, **fields}, time=TIME)


def test_a_line_begins_like_optunas() -> None:
    line = format_event("note", NOTE, time=TIME, level="W")
    assert line.startswith('[W 2026-11-21 10:15:00,123] Run 1a2b3c4d note: text="a", study=')


def test_a_start_line_matches_the_pattern_that_users_have() -> None:
    pattern = (
        r"Trial (\d+): arch_idx=(\d+), d_model=(\d+), n_layers=(\d+), n_heads=(\d+),"
        r" params=([\d,]+), lr=([\d.e-]+), epochs=(\d+), batch_size=(\d+)"
    )
    line = format_event("trial_start", START, time=TIME)
    found = re.search(pattern, line)
    assert found is not None
    assert found.groups() == (
        *("12", "57", "64", "48", "8", "2,414,273", "0.00012520653814659472", "50", "256"),
    )
    assert read_event(line.encode()) == ("trial_start", START)


def test_fields_outside_the_table_stand_before_its_last_ones() -> None:
    assert ', extra=1, study="0123456789ab", run="1a2b3c4d" ;' in note(extra=1)


@pytest.mark.parametrize("missing", ["text", "run"])
def test_a_missing_field_of_the_table_is_an_error(missing: str) -> None:
    fields = {name: value for name, value in NOTE.items() if name != missing}
    with pytest.raises(TypeError, match=f"note: missing {missing}"):
        format_event("note", fields, time=TIME)


@pytest.mark.parametrize("value", [np.int64(1), {1}, b"a", 1j, object()])
def test_a_value_without_a_form_is_an_error(value: object) -> None:
    with pytest.raises(TypeError, match="x: cannot log a"):
        format_value("x", value)


class Size(IntEnum):
    """A number with a name."""

    SMALL = 1000


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("params", 2_414_273, "2,414,273"),
        ("params", Size.SMALL, "1,000"),
        ("params", 1234.5, "1234.5"),
        ("other", 2_414_273, "2414273"),
        ("other", np.float64(0.1), "0.1"),
        ("other", float("nan"), "nan"),
        ("other", True, "true"),
        ("other", None, "null"),
        ("other", "[I 2026", r'"\u005bI 2026"'),
        ("other", (1, "a"), '[1, "a"]'),
    ],
)
def test_a_value_has_one_form(name: str, value: object, text: str) -> None:
    assert format_value(name, value) == text


@given(st.dictionaries(st.text("abxyz_", min_size=6, max_size=9), VALUES, max_size=4))
def test_any_fields_are_read_back_from_one_line(fields: dict[str, Any]) -> None:
    line = note(**fields)
    assert line.isascii()
    assert "\n" not in line
    assert len(re.findall(r"\[[A-Z] ", line)) == 1
    assert read_event(line.encode()) == ("note", {**NOTE, **fields})


def test_a_parameter_name_outside_ascii_is_read_back() -> None:
    assert read_event(note(größe=1).encode()) == ("note", {**NOTE, "größe": 1})


def test_numbers_that_json_lacks_are_read_back() -> None:
    event, found = read_event(note(a=math.inf, b=-math.inf, c=math.nan).encode()) or ("", {})
    assert event == "note"
    assert (found["a"], found["b"], str(found["c"])) == (math.inf, -math.inf, "nan")


def test_a_damaged_line_is_refused() -> None:
    line = format_event("trial_start", START, time=TIME).encode()
    for at in range(len(line)):
        assert read_event(line[:at]) is None
        assert read_event(line[at + 1 :]) is None
        flipped = bytes([*line[:at], line[at] ^ 1 << at % 8, *line[at + 1 :]])
        assert read_event(flipped) is None


def test_a_line_of_another_program_is_refused() -> None:
    for line in (b"", b"[I 2026-11-21 10:15:00,123] Trial 3 pruned. ", b"\xff" * 40):
        assert read_event(line) is None


def test_every_event_and_field_has_a_meaning() -> None:
    heads = "".join(event.head for event in LOG_EVENTS.values())
    fields = {name for event in LOG_EVENTS.values() for name in (*event.first, *event.last)}
    assert EVENT_MEANINGS.keys() == LOG_EVENTS.keys()
    assert FIELD_MEANINGS.keys() == fields | {*re.findall(r"{(\w+)}", heads)}


def test_a_short_name_stands_for_one_long_name() -> None:
    assert len({*SHORT_NAMES.values()}) == len(SHORT_NAMES)
    assert not SHORT_NAMES.keys() & {*SHORT_NAMES.values()}
