"""The format of the trial log, and the file it is written to."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from full_disk import full_disk
from hpo_script.log_fields import EVENT_MEANINGS, FIELD_MEANINGS
from hpo_script.log_writer import TrialLog, say
from hpo_script.trial_log import LOG_EVENTS, SHORT_NAMES, format_event, format_value
from recover_samples import RUN, STUDY, SampleLog, moment, recover_one
from recover_trials import own_log

NOTE = {"text": "a", "study": STUDY, "run": RUN}


def test_a_line_begins_like_optunas() -> None:
    line = format_event("note", NOTE, time=moment(0), level="W")

    assert line.startswith(
        f'[W 2026-11-21 10:15:00,123] Run {RUN} note: text="a", study="{STUDY}"'
    )


def test_a_start_line_begins_as_users_know_it() -> None:
    pattern = (
        r"Trial (\d+): arch_idx=(\d+), d_model=(\d+), n_layers=(\d+), n_heads=(\d+),"
        r" params=([\d,]+), lr=([\d.e-]+), epochs=(\d+), batch_size=(\d+)"
    )

    found = re.search(pattern, SampleLog().start(12))

    assert found is not None
    assert found.groups() == (
        *("12", "57", "64", "48", "8", "2,414,273", "0.00012520653814659472", "50", "256"),
    )


def test_fields_that_the_table_does_not_know_stand_before_its_last_ones() -> None:
    line = format_event(
        "note", {"study": STUDY, "extra": 1, "run": RUN, "text": "a"}, time=moment(0)
    )

    assert f'text="a", extra=1, study="{STUDY}", run="{RUN}" ;' in line


@pytest.mark.parametrize("missing", ["text", "run"])
def test_a_field_of_the_table_left_out_is_an_error(missing: str) -> None:
    fields = {name: value for name, value in NOTE.items() if name != missing}

    with pytest.raises(TypeError, match=f"note: missing {missing}"):
        format_event("note", fields, time=moment(0))


@pytest.mark.parametrize("value", [np.int64(1), {1}, b"a", 1j, object()])
def test_a_value_that_could_not_be_read_back_is_an_error(value: object) -> None:
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
        ("other", Size.SMALL, "1000"),
        ("other", np.float64(0.1), "0.1"),
        ("other", float("nan"), "nan"),
        ("other", True, "true"),
        ("other", None, "null"),
        ("other", "[I 2026", r'"\u005bI 2026"'),
        ("other", (1, "a"), '[1, "a"]'),
    ],
)
def test_a_value_is_written_so_that_it_can_be_read(name: str, value: object, text: str) -> None:
    assert format_value(name, value) == text


def test_every_event_and_field_has_a_meaning() -> None:
    heads = "".join(event.head for event in LOG_EVENTS.values())
    fields = {name for event in LOG_EVENTS.values() for name in (*event.first, *event.last)}

    assert EVENT_MEANINGS.keys() == LOG_EVENTS.keys()
    assert FIELD_MEANINGS.keys() == fields | {*re.findall(r"{(\w+)}", heads)}


def test_a_short_name_stands_for_one_long_name() -> None:
    assert len({*SHORT_NAMES.values()}) == len(SHORT_NAMES)
    assert not SHORT_NAMES.keys() & {*SHORT_NAMES.values()}


def events_in(path: Path) -> list[str]:
    """Return the texts of the notes in a log."""
    found = [own_log.read_line(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [event.fields["text"] for events, _, _ in found for event in events]


def test_the_log_and_its_folders_are_made(tmp_path: Path) -> None:
    TrialLog(tmp_path / "a" / "b.log", study=STUDY, run=RUN).write("note", {"text": "é"})

    assert events_in(tmp_path / "a" / "b.log") == ["é"]


def test_a_later_run_writes_behind_an_earlier_one(tmp_path: Path) -> None:
    for text in ("first", "second"):
        TrialLog(tmp_path / "a.log", study=STUDY, run=RUN).write("note", {"text": text})

    assert events_in(tmp_path / "a.log") == ["first", "second"]
    assert (tmp_path / "a.log").read_text().count("\n") == 2


def test_a_torn_last_line_is_closed_before_the_next_run_writes(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("[I 2026-11-21 10:15:00,123] Trial 3: arch_i")

    TrialLog(tmp_path / "a.log", study=STUDY, run=RUN).write("note", {"text": "next"})

    torn, line = (tmp_path / "a.log").read_text().splitlines()
    assert torn.endswith("arch_i")
    assert own_log.parse_event(line) is not None


def test_identity_cannot_be_overwritten_by_fields(tmp_path: Path) -> None:
    log = TrialLog(tmp_path / "a.log", study=STUDY, run=RUN)
    log.write("note", {"text": "a", "study": "another"})

    (event,), _, _ = own_log.read_line((tmp_path / "a.log").read_text())
    assert event.fields["study"] == STUDY


def test_a_plain_line_reads_as_optunas(tmp_path: Path) -> None:
    log = TrialLog(tmp_path / "a.log", study=STUDY, run=RUN)
    log.write_plain("Trial 3 pruned. ", level="W")

    (trial,) = recover_one((tmp_path / "a.log").read_bytes()).rows
    assert (trial.number, trial.state) == (3, "PRUNED")
    assert (tmp_path / "a.log").read_text().startswith("[W 20")


def test_a_plain_line_cannot_forge_another(tmp_path: Path) -> None:
    log = TrialLog(tmp_path / "a.log", study=STUDY, run=RUN)
    log.write_plain(f"Trial 3 failed with parameters: {{'x': '{SampleLog().end(9)}'}}")

    assert [row.number for row in recover_one((tmp_path / "a.log").read_bytes()).rows] == [3]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the disk that is always full")
def test_a_full_disk_is_said_and_survived(capsys: pytest.CaptureFixture[str]) -> None:
    log = TrialLog(Path("/dev/full"), study=STUDY, run=RUN)

    log.write("note", {"text": "the loss"})

    said = capsys.readouterr().err
    assert said.startswith("log: No space left on device; not in the file: [I ")
    assert 'text="the loss"' in said


def test_a_disk_that_fills_up_within_a_line_is_said_and_survived(tmp_path: Path) -> None:
    write = (
        "import sys; from pathlib import Path; from hpo_script.log_writer import TrialLog;"
        "log = TrialLog(Path(sys.argv[1]), study='a', run='b');"
        "log.write('note', {'text': 'x' * 200}); print('goes on')"
    )

    ran = run_python(
        write,
        tmp_path / "a.log",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (99, 99)),
    )

    assert (ran.stdout, ran.returncode) == ("goes on\n", 0)
    assert ran.stderr.startswith("log: File too large; not in the file: [I ")
    assert (tmp_path / "a.log").stat().st_size == 99


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 700), min_size=1, max_size=6))
def test_lines_for_which_there_was_no_room_are_in_the_file_once_there_is(
    tmp_path: Path, rooms: list[int]
) -> None:
    path = tmp_path / "a.log"
    path.unlink(missing_ok=True)
    log = TrialLog(path, study=STUDY, run=RUN)
    texts = [f"{number}{'x' * 40}" for number in range(len(rooms))]
    for text, room in zip(texts, rooms, strict=True):
        with full_disk(room):
            log.write("note", {"text": text})
    log.write("note", {"text": "free again"})

    assert list(dict.fromkeys(events_in(path))) == [*texts, "free again"]
    os.close(log.file)


def test_the_trials_of_a_log_are_those_of_the_study_with_whole_lines(tmp_path: Path) -> None:
    log, other, path = SampleLog(), SampleLog("ba9876543210"), tmp_path / "a.log"
    log.open_run(data="] Trial 6 ended: Trial 9: arch_idx=1")
    for trial in (3, 12):
        log.start(trial)
    log.end(3, error='it\'s "Trial 7 ended: arch_idx=1, study="')
    log.plain("Trial 8 ended: ")
    other.start(5)
    other.end(5)
    torn = log.lines.pop(log.lines.index(log.end(12)))
    for length in range(len(torn)):
        path.write_text("\n".join([*log.lines, *other.lines, torn[:length]]))
        opened = TrialLog(path, study=STUDY, run=RUN)

        assert opened.numbers(r"Trial (\d+): arch_idx=") == {3, 12}
        assert opened.numbers(r"Trial (\d+) ended: ") == {3}
        os.close(opened.file)


def run_python(code: str, *arguments: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run Python code that can import the parts."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        **more,
    )


def test_lines_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    write = (
        "import sys; from pathlib import Path; from hpo_script.log_writer import TrialLog;"
        "log = TrialLog(Path(sys.argv[1]), study='a', run='b');"
        "[log.write('note', {'text': sys.argv[2] * 1000}) for _ in range(200)]"
    )
    command = [sys.executable, "-c", write, tmp_path / "a.log"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    writers = [subprocess.Popen([*command, text], env=environment) for text in "xyz"]

    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert sorted(events_in(tmp_path / "a.log")) == [
        text * 1000 for text in "xyz" for _ in range(200)
    ]


@pytest.mark.parametrize("close", ["os.close(2)", "sys.stderr.close()"])
def test_a_closed_terminal_does_not_end_the_run(close: str) -> None:
    code = f"import os, sys; from hpo_script.log_writer import say; {close}; say('lost'); print(1)"

    ran = run_python(code)

    assert (ran.stdout, ran.returncode) == ("1\n", 0)


def test_what_is_said_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    say("text", end="\r")

    assert capsys.readouterr() == ("", "text\r")
