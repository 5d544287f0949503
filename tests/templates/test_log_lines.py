"""The lines of the trial log: written, read back, and refused when damaged."""

from __future__ import annotations

import math
import re
import zlib
from datetime import datetime
from enum import IntEnum
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo_script.machinery.log_line_meanings import EVENT_MEANINGS, FIELD_MEANINGS
from hpo_script.machinery.log_lines import (
    FIELDS,
    HEADS,
    LOG_EVENTS,
    SHORT_NAMES,
    format_event,
    format_value,
    read_event,
    read_fields,
)

TIME = datetime.fromisoformat("2026-11-21 10:15:00.123456")
ENQUEUED: dict[str, Any] = {
    "enqueued_id": "a", "trial_params": {"n": 1}, "study": "0123456789ab", "run": "1a2b3c4d",
}  # fmt: skip
START: dict[str, Any] = {
    "trial": 12,
    "arch_idx": 57, "d_model": 64, "n_layers": 48, "n_heads": 8, "param_count": 2_414_273,
    "learning_rate": 0.00012520653814659472, "epochs": 50, "batch_size": 256, "d_ff": 256,
    "kind": "search", "config_id": "c12", "datetime_start": "2026-11-21 10:15:00",
    "study": "0123456789ab", "run": "1a2b3c4d",
}  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def enqueued(**fields: Any) -> str:
    """Return a line with more fields than the table has."""
    return format_event("enqueued", {**ENQUEUED, **fields}, time=TIME)


def test_a_line_begins_like_optunas() -> None:
    line = format_event("enqueued", ENQUEUED, time=TIME, level="W")
    begin = '[W 2026-11-21 10:15:00,123] Run 1a2b3c4d enqueued: enqueued_id="a", trial_params={'
    assert line.startswith(begin)


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


def test_fields_outside_the_table_stand_before_study_and_run() -> None:
    line = enqueued(extra=1)
    assert 'trial_params={"n": 1}, extra=1, study="0123456789ab", run="1a2b3c4d" ;' in line


@pytest.mark.parametrize("missing", [*ENQUEUED])
def test_a_missing_field_of_the_table_is_an_error(missing: str) -> None:
    fields = {name: value for name, value in ENQUEUED.items() if name != missing}
    with pytest.raises(KeyError, match=missing):
        format_event("enqueued", fields, time=TIME)


@pytest.mark.parametrize("value", [np.int64(1), {1}, b"a", 1j, object()])
def test_a_value_that_json_lacks_is_an_error(value: object) -> None:
    with pytest.raises(TypeError, match="is not JSON serializable"):
        format_value("x", value)


class Size(IntEnum):
    """A number with a name."""

    SMALL = 1000


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("param_count", 2_414_273, "2,414,273"),
        ("param_count", Size.SMALL, "1,000"),
        ("other", 2_414_273, "2414273"),
        ("other", Size.SMALL, "1000"),
        ("other", np.float64(0.1), "0.1"),
        ("other", float("nan"), "NaN"),
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
    line = enqueued(**fields)
    assert line.isascii()
    assert "\n" not in line
    assert len(re.findall(r"\[[A-Z] ", line)) == 1
    assert read_event(line.encode()) == ("enqueued", {**ENQUEUED, **fields})


def test_a_parameter_name_outside_ascii_is_read_back() -> None:
    assert read_event(enqueued(größe=1).encode()) == ("enqueued", {**ENQUEUED, "größe": 1})


def test_numbers_that_json_lacks_are_read_back() -> None:
    _, found = read_event(enqueued(a=math.inf, b=-math.inf, c=math.nan).encode()) or ("", {})
    assert (found["a"], found["b"], str(found["c"])) == (math.inf, -math.inf, "nan")


def test_numbers_as_version_1_wrote_them_are_read() -> None:
    found = read_fields("params=2,414,273, lr=1e-05, a=inf, b=-inf, c=-1,000, d=-0.0, e=nan")
    assert str(found.pop("e")) == "nan"
    assert found == {
        "param_count": 2_414_273, "learning_rate": 1e-05,
        "a": math.inf, "b": -math.inf, "c": -1000, "d": -0.0,
    }  # fmt: skip


def sealed(text: str) -> bytes:
    """Return a line with fields that nothing writes, and the right checksum."""
    begin = enqueued(x="here").split('"here"')[0]
    line = f'{begin}1, {text}, study="0123456789ab", run="1a2b3c4d"'.encode()
    return line + b" ;%08x" % zlib.crc32(line)


@pytest.mark.parametrize("text", ["a=b", "a=nano", "a=1 2", "a=1,2", 'a="b" c', "a=[1", "a", "=1"])
def test_a_whole_line_of_other_text_than_fields_is_refused(text: str) -> None:
    assert read_event(sealed("a=1"))
    assert read_event(sealed(text)) is None


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
    assert EVENT_MEANINGS.keys() == LOG_EVENTS.keys()
    for event, names in FIELDS.items():
        assert FIELD_MEANINGS.keys() >= {*names, *HEADS[event].groupindex}, event


def test_a_short_name_stands_for_one_long_name() -> None:
    assert len({*SHORT_NAMES.values()}) == len(SHORT_NAMES)
    assert not SHORT_NAMES.keys() & {*SHORT_NAMES.values()}
