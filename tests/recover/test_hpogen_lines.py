"""Lines of hpogen scripts: whole ones are read, damaged ones refused."""

from __future__ import annotations

import string
import zlib
from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import version1
from hpo_script.machinery import log_lines
from hpo_script.machinery.log_lines import FIELDS, LOG_EVENTS, LONG_NAMES
from recover_samples import HOSTILE_TEXTS, STAMP, SampleLog, SampleLog2, sample_log
from recover_trials import read_trials
from recover_trials.hpogen_log.hpogen_lines import parse_event, parse_events
from recover_trials.output import WRITERS
from version1 import checksum_suffix

HOSTILE = (*HOSTILE_TEXTS, f"{STAMP}Trial 3 ended: arch_idx=1")
TEXTS = st.text(max_size=30) | st.lists(st.sampled_from(HOSTILE), max_size=3).map("".join)
FLOATS = st.floats() | st.sampled_from([float("nan"), float("-inf"), -0.0, 5e-324, 1e22, 1e-05])
SCALARS = st.none() | st.booleans() | st.integers() | FLOATS | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.from_regex(r"[^\W\d]\w{0,8}", fullmatch=True) | st.just("optimizer.lr")
# Every kind of line of both versions: table, event, head, and fields under their long names.
KINDS: list[tuple[Any, str, str, tuple[str, ...]]] = [
    *((log_lines, event, row[0], FIELDS[event]) for event, row in LOG_EVENTS.items()),
    *(
        (version1, event, row.head, tuple(LONG_NAMES.get(n, n) for n in row.first + row.last))
        for event, row in version1.LOG_EVENTS.items()
    ),
]
VALUES_OF = {
    "trial": st.integers(0, 10**6),
    "step": st.integers(0, 10**6),
    "unit": st.text(string.ascii_lowercase, min_size=1, max_size=8),
    "run": st.text("0123456789abcdef", min_size=8, max_size=8),
    "study": TEXTS,
    "param_count": st.integers(),
}
TIMES = st.datetimes(min_value=datetime.fromisoformat("1000-01-01"))
LEVELS = st.sampled_from("IWE")


class WrittenEvent(NamedTuple):
    """An event, and the version of the table that formats its line."""

    table: Any
    event: str
    fields: dict[str, Any]
    time: datetime
    level: str

    def line(self) -> str:
        line: str = self.table.format_event(
            self.event, self.fields, time=self.time, level=self.level
        )
        return line


@st.composite
def written_events(draw: st.DrawFn, events: Collection[str] = ()) -> WrittenEvent:
    """Draw an event of any kind, or of one of the given kinds."""
    kinds = [kind for kind in KINDS if kind[1] in events or not events]
    table, event, head, names = draw(st.sampled_from(kinds))
    in_head = [name for name in VALUES_OF if f"{{{name}}}" in head]
    extra = draw(st.dictionaries(NAMES, VALUES, max_size=4))
    reserved = VALUES_OF.keys() | LONG_NAMES.keys()
    fields = {name: value for name, value in extra.items() if name not in reserved}
    for name in (*names, *in_head):
        fields[name] = draw(VALUES_OF.get(name, VALUES))
    return WrittenEvent(table, event, fields, draw(TIMES), draw(LEVELS))


LINES = written_events(["trial_end", "enqueued", "note"]).map(WrittenEvent.line)


def written(value: dict[str, Any]) -> dict[str, str]:
    """Return fields as text, which distinguishes 1 from True and is equal for NaN."""
    return {name: repr(item) for name, item in value.items()}


@settings(max_examples=300)
@given(written_events())
def test_every_event_is_read_as_it_was_written(written_event: WrittenEvent) -> None:
    event = parse_event(written_event.line())
    milliseconds = written_event.time.microsecond // 1000

    assert event is not None
    assert event.name == written_event.event
    assert event.time == written_event.time.replace(microsecond=milliseconds * 1000)
    assert written(event.fields) == written(written_event.fields)


@settings(max_examples=100)
@given(written_events())
def test_every_event_is_one_line_that_begins_only_once(written_event: WrittenEvent) -> None:
    line = written_event.line()

    assert "\n" not in line
    assert "\r" not in line
    events, damaged, rest = parse_events(line)
    assert (len(events), damaged, rest) == (1, 0, "")


@settings(max_examples=25)
@given(LINES)
def test_a_line_cut_short_is_not_an_event(line: str) -> None:
    for length in range(len(line)):
        assert parse_event(line[:length]) is None
        assert parse_events(line[:length])[0] == []


@settings(max_examples=25)
@given(LINES, st.characters(exclude_categories=["Cs"]))
def test_a_line_with_one_character_changed_is_refused(line: str, other: str) -> None:
    for index, char in enumerate(line):
        if char != other:
            changed = line[:index] + other + line[index + 1 :]
            assert parse_event(changed) is None
            assert parse_events(changed)[0] == []


@settings(max_examples=50)
@given(LINES, LINES)
def test_two_lines_without_a_line_end_between_are_both_found(first: str, second: str) -> None:
    events, damaged, rest = parse_events(first + second)

    assert list(map(repr, events)) == [repr(parse_event(first)), repr(parse_event(second))]
    assert (damaged, rest) == (0, "")


@settings(max_examples=25)
@given(LINES, LINES)
def test_a_whole_line_after_a_cut_one_is_read(torn: str, whole: str) -> None:
    for length in range(0, len(torn), 7):
        events, _, _ = parse_events(torn[:length] + whole)
        assert list(map(repr, events)) == [repr(parse_event(whole))]


def test_a_whole_line_before_the_tail_of_another_is_found() -> None:
    log = sample_log()

    events, _, _ = parse_events(log.lines[0] + log.lines[1][20:])

    assert [event.name for event in events] == ["run_start"]


@pytest.mark.parametrize("cut", ["trial_start", "evaluation", "trial_end"])
def test_a_damaged_line_is_counted_once(cut: str) -> None:
    line = next(
        line for line in sample_log().lines if getattr(parse_event(line), "name", "") == cut
    )

    assert parse_events(line[:-3]) == ([], 1, "")


def test_the_text_before_a_line_of_hpogen_is_the_rest() -> None:
    line = sample_log().lines[0]

    assert parse_events(f"[rank0]: {line}")[2] == "[rank0]: "


def test_a_line_of_another_program_is_the_rest() -> None:
    line = f"{STAMP}Trial 3 finished with value: 0.1 and parameters: {{}}."

    assert parse_events(f"{line}{line}") == ([], 0, f"{line}{line}")


def test_a_line_without_a_time_stamp_is_the_rest() -> None:
    assert parse_events("Trial 3: arch_idx=1") == ([], 0, "Trial 3: arch_idx=1")


@pytest.mark.parametrize("head", ["Run 1a2b3c4d paused", "Trial 3 moved", "Trial 3 epoch 2 saved"])
def test_a_line_of_a_later_version_is_neither_an_event_nor_damaged(head: str) -> None:
    line = f'{STAMP}{head}: arch_idx=1, study="a", run="1a2b3c4d"'

    assert parse_events(line + checksum_suffix(line)) == ([], 0, "")


@pytest.mark.parametrize(
    "fields",
    [
        'text=unquoted, study="a", run="b"',
        'text={"a", study="a", run="b"',
        'text="a" and more, study="a", run="b"',
        'study=1, run="b"',
        'run="b"',
        f"text={'[' * 100_000}",
        f'text={"9" * 10_000}, study="a", run="b"',
    ],
)
def test_a_whole_line_that_cannot_be_understood_is_damaged(fields: str) -> None:
    line = f"{STAMP}Run 1a2b3c4d note: {fields}"

    assert parse_events(line + checksum_suffix(line)) == ([], 1, "")


def test_a_whole_line_at_an_impossible_time_is_damaged() -> None:
    line = '[I 2026-13-41 10:15:00,123] Run 1a2b3c4d note: study="a", run="b"'

    assert parse_events(line + checksum_suffix(line)) == ([], 1, "")


def test_the_mark_is_the_checksum_of_everything_before_it() -> None:
    line, mark = SampleLog().open_run().rsplit(" ;", 1)

    assert int(mark, 16) == zlib.crc32(line.encode())


@pytest.mark.parametrize("log", [SampleLog(), SampleLog2()])
def test_a_count_is_read_with_its_thousands_separators(log: SampleLog) -> None:
    line = log.start(12)

    assert "params=2,414,273, " in line
    event = parse_event(line)
    assert event is not None
    assert event.fields["param_count"] == 2_414_273


@pytest.mark.parametrize("kind", [SampleLog, SampleLog2])
def test_a_long_run_of_digits_remains_text(kind: type[SampleLog]) -> None:
    event = parse_event(kind("123", "12345678").open_run())

    assert event is not None
    assert (event.fields["study"], event.fields["run"]) == ("123", "12345678")


@pytest.mark.timeout(20)
def test_a_line_full_of_wrong_marks_takes_linear_time() -> None:
    line = f"{STAMP}Run 1a2b3c4d note: text=" + " ;deadbeef" * 500_000

    assert parse_events(line) == ([], 1, "")


@settings(max_examples=100)
@given(st.lists(written_events(), min_size=1, max_size=8))
def test_any_value_of_a_whole_line_is_accepted(events: list[WrittenEvent]) -> None:
    for event in events:
        event.fields.update({"study": "a", "trial": event.fields.get("trial", 0) % 3})
    lines = "".join(f"{event.line()}\n" for event in events)

    recovery = read_trials([[lines.encode("utf-8", "surrogatepass")]])

    assert recovery.report() is not None
    for write in (WRITERS[name] for name in ("csv", "json", "jsonl", "table")):
        assert write(recovery) is not None
