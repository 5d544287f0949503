"""Logs in the envelopes of collectors, consoles and web pages."""

from __future__ import annotations

import html
import io
import json
import textwrap
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.logging import RichHandler

from recover_samples import STAMP
from recover_trials import Recovery, read_trials
from recover_trials.follow.live import LiveLog, LiveStudies

TEXTS = ("C:\\new", "it's", 'say "x"', "größe", "a\tb", "<pad> & co")


def params_of(number: int, text: str) -> str:
    return repr({"note": text, "lr": 0.001, "width": 128 * number})


MESSAGES = (
    "A new study created in memory with name: lr search",
    *(
        f"Trial {number} finished with value: 0.{number + 1} and parameters:"
        f" {params_of(number, text)}. Best is trial 0 with value: 0.1."
        for number, text in enumerate(TEXTS)
    ),
    "Trial 6 pruned. ",
    "Trial 7 failed with parameters: {'note': \"it's\"} because of the following error:"
    " ValueError('x').\nTraceback (most recent call last):\n  File \"a.py\"\nValueError: x",
    "Trial 7 failed with value None.",
)
STAMPED = "".join(f"{STAMP}{message}\n" for message in MESSAGES)


def docker(messages: tuple[str, ...]) -> str:
    lines = "".join(f"{STAMP}{message}\n" for message in messages).splitlines(keepends=True)
    return "".join(
        json.dumps({"log": line, "stream": "stderr", "time": "2026-03-01T10:00:00.1Z"}) + "\n"
        for line in lines
    )


def json_lines(messages: tuple[str, ...]) -> str:
    return "".join(
        json.dumps({"timestamp": "2026-03-01T10:00:00", "level": "INFO", "message": message})
        + "\n"
        for message in messages
    )


def nested(messages: tuple[str, ...]) -> str:
    return "".join(
        json.dumps(
            {"jsonPayload": {"msg": message}, "@timestamp": 1772359200.5}, ensure_ascii=False
        )
        + "\n"
        for message in messages
    )


def logfmt(messages: tuple[str, ...]) -> str:
    return "".join(
        f"time=2026-03-01T10:00:00 level=info logger=optuna msg={json.dumps(message)}\n"
        for message in messages
    )


def page(messages: tuple[str, ...]) -> str:
    text = "".join(f"{STAMP}{message}\n" for message in messages)
    return f"<html><body><pre>\n<span class='x'>{html.escape(text)}</span></pre></body></html>"


def entities(messages: tuple[str, ...]) -> str:
    return html.escape("".join(f"{STAMP}{message}\n" for message in messages))


def broken_at(width: int) -> Callable[[tuple[str, ...]], str]:
    def broken(messages: tuple[str, ...]) -> str:
        lines = "".join(f"{STAMP}{message}\n" for message in messages).splitlines()
        pieces = [
            line[start : start + width]
            for line in lines
            for start in range(0, len(line) or 1, width)
        ]
        return "".join(f"{piece}\n" for piece in pieces)

    return broken


ENVELOPES = (docker, json_lines, nested, logfmt, page, entities, broken_at(80), broken_at(100))


def of_text(text: str) -> Recovery:
    return read_trials([io.BytesIO(text.encode())])


def rows_of(recovery: Recovery) -> list[tuple[Any, ...]]:
    return [
        (study.name, trial.number, trial.state, trial.values, trial.params)
        for study in recovery.studies
        for trial in study.rows
    ]


@pytest.mark.parametrize("envelope", ENVELOPES)
def test_an_envelope_changes_nothing(envelope: Callable[[tuple[str, ...]], str]) -> None:
    recovery = of_text(envelope(MESSAGES))

    assert rows_of(recovery) == rows_of(of_text(STAMPED))
    assert recovery.conflicts == []
    assert [study.direction for study in recovery.studies] == ["minimize"]


@pytest.mark.parametrize("envelope", ENVELOPES)
@pytest.mark.parametrize("size", [1, 13, 1000])
def test_an_envelope_is_opened_in_any_pieces(
    envelope: Callable[[tuple[str, ...]], str], size: int
) -> None:
    data = envelope(MESSAGES).encode()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]

    assert rows_of(read_trials([pieces])) == rows_of(of_text(STAMPED))


@pytest.mark.parametrize("envelope", [docker, json_lines, nested, logfmt])
@pytest.mark.parametrize("start", ["\ufeff", "\n"])
def test_what_precedes_the_first_record_does_not_matter(
    envelope: Callable[[tuple[str, ...]], str], start: str
) -> None:
    assert rows_of(of_text(start + envelope(MESSAGES))) == rows_of(of_text(STAMPED))


def test_parameters_over_several_records_of_docker_are_joined() -> None:
    lines = (
        "Trial 0 finished with value: 0.5 and parameters: {'lr': 0.1, 'model': P(steps=[A(),\n"
        "          B()]), 'n': 3}. Best is trial 0 with value: 0.5.",
    )

    (row,) = rows_of(of_text(docker(lines)))

    assert row[4] == {"lr": 0.1, "n": 3}


@pytest.mark.parametrize("inner", [docker, json_lines, nested])
@pytest.mark.parametrize("outer", [json_lines, logfmt])
def test_a_record_within_a_record_is_opened(
    inner: Callable[[tuple[str, ...]], str], outer: Callable[[tuple[str, ...]], str]
) -> None:
    records = tuple(inner(MESSAGES).splitlines())

    assert rows_of(of_text(outer(records))) == rows_of(of_text(STAMPED))


def test_the_time_of_a_record_is_the_time_of_its_message() -> None:
    for envelope in (json_lines, logfmt):
        (study,) = of_text(envelope(MESSAGES)).studies
        assert {trial.datetime_complete for trial in study.rows} == {
            datetime.fromisoformat("2026-03-01 10:00")
        }


def test_a_zone_of_a_record_becomes_local_time() -> None:
    record = {"message": MESSAGES[1], "time": "2026-03-01T10:00:00.5+00:00"}

    (study,) = of_text(json.dumps(record) + "\n").studies

    local = datetime.fromisoformat("2026-03-01T10:00:00.500000+00:00").astimezone()
    assert study.rows[0].datetime_complete == local.replace(tzinfo=None)


@pytest.mark.parametrize("envelope", [docker, json_lines, logfmt])
def test_a_torn_record_is_counted(envelope: Callable[[tuple[str, ...]], str]) -> None:
    lines = envelope(MESSAGES).splitlines(keepends=True)
    lines[2] = lines[2][:-60] + "\n"

    recovery = of_text("".join(lines))

    assert [row[1] for row in rows_of(recovery)] == [0, 2, 3, 4, 5, 6, 7]
    assert recovery.damaged == 1


def test_a_long_line_that_docker_split_is_joined() -> None:
    text = "x" * 40_000
    line = f"{STAMP}Trial 0 finished with value: 0.5 and parameters: {{'t': '{text}'}}. \n"
    pieces = [line[start : start + 16384] for start in range(0, len(line), 16384)]

    recovery = of_text("".join(json.dumps({"log": piece}) + "\n" for piece in pieces))

    assert rows_of(recovery)[0][4] == {"t": text}


def test_other_lines_between_records_are_read() -> None:
    recovery = of_text(json_lines(MESSAGES[:2]) + "plain text\n" + STAMPED[-20:] + '{"a": 1}\n')

    assert len(rows_of(recovery)) == 1


@pytest.mark.parametrize("width", [60, 80, 100, 140, 1000])
@pytest.mark.parametrize("shown", [True, False])
def test_records_of_rich_are_joined(width: int, shown: bool) -> None:
    import logging

    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=False)
    handler = RichHandler(console=console, show_path=shown, markup=False)
    for message in MESSAGES:
        handler.emit(logging.LogRecord("optuna", 20, "study.py", 1135, message, None, None))

    recovery = of_text(screen.getvalue())

    expected = rows_of(of_text(STAMPED))
    rows = {row[1]: row for row in rows_of(recovery)}
    assert {row[1]: row[2:4] for row in expected} == {n: row[2:4] for n, row in rows.items()}
    flagged = {trial.number for study in recovery.studies for trial in study.rows if trial.flags}
    for row in expected:
        assert rows[row[1]][4] == row[4] or row[1] in flagged or row[1] == 4  # a tab
    assert len(flagged) <= (3 if width < 80 else 0)


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize("hidden", ["show_time", "show_level"])
def test_records_of_rich_without_times_or_levels_are_not_lost(
    width: int, shown: bool, hidden: str
) -> None:
    import logging

    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=False)
    options: dict[str, Any] = {"show_path": shown, hidden: False}
    handler = RichHandler(console=console, markup=False, **options)
    for message in MESSAGES:
        handler.emit(logging.LogRecord("optuna", 20, "study.py", 1135, message, None, None))

    recovery = of_text(screen.getvalue())

    expected = {row[1]: row for row in rows_of(of_text(STAMPED))}
    rows = rows_of(recovery)
    assert {row[1] for row in rows} == {*expected} or recovery.unmatched
    assert all(row[2:4] == expected[row[1]][2:4] for row in rows)
    flagged = {trial.number for study in recovery.studies for trial in study.rows if trial.flags}
    for row in rows:
        assert row[4] == expected[row[1]][4] or row[1] in flagged or row[1] == 4  # a tab
    assert len(rows) == len(expected) or hidden == "show_level"


def test_a_torn_first_record_of_rich_gives_no_number_that_it_lacks() -> None:
    lines = (
        "[03/01/26 10:00:00] INFO     Trial 1 finished with value: 0.5 and parameters: {'lr':\n"
        "                             .5, 'n': 1}. Best is trial 1 with value: 0.5.\n"
        "                    INFO     Trial 2 pruned.                                     s.py:7\n"
    )

    first, _ = of_text(lines).studies[0].rows

    assert "lr" not in first.params
    assert first.flags


def test_a_log_of_plain_lines_is_no_envelope() -> None:
    text = textwrap.dedent(STAMPED) + '{"epoch": 1, "loss": 0.5}\n<html>\n'

    assert rows_of(of_text(text)) == rows_of(of_text(STAMPED))


def test_an_envelope_within_an_envelope_is_opened() -> None:
    inner = broken_at(80)(MESSAGES).splitlines(keepends=True)
    outer = "".join(json.dumps({"log": line, "stream": "stdout"}) + "\n" for line in inner)

    assert rows_of(of_text(outer)) == rows_of(of_text(STAMPED))


def test_lines_that_were_wrapped_between_words_keep_what_is_certain() -> None:
    text = (
        f"{STAMP}Trial 0 finished with value: 0.5 and parameters: {{'lr': 0.001,\n"
        "'act': 'gelu',\n 'n': 3}. Best is trial 0\nwith value: 0.5.\n"
        f"{STAMP}Trial 1 finished with value: 0.4 and parameters: {{'act': 'ge\nlu', 'n': 4}}."
        " Best is\n  trial 1 with value: 0.4.\n"
    )

    (study,) = of_text(text).studies

    assert [trial.params for trial in study.rows] == [{"lr": 0.001, "act": "gelu", "n": 3}, {}]
    assert study.rows[1].flags == ["parameters cut short"]
    assert study.named_best == (0, 0.5)


BEST = "Best is trial 0 with value: 0.1."
LONG = "A long text " * 3000  # longer than the 16 KB of a record of Docker


def split_docker(_: tuple[str, ...]) -> str:
    """Return records of Docker, which splits a long line."""
    params = params_of(1, LONG)
    line = f"{STAMP}Trial 1 finished with value: 0.5 and parameters: {params}. {BEST}\n"
    parts = [line[start : start + 16384] for start in range(0, len(line), 16384)]
    return docker(MESSAGES[:2]) + "".join(json.dumps({"log": part}) + "\n" for part in parts)


@pytest.mark.parametrize("envelope", [docker, json_lines, nested, logfmt, split_docker])
@pytest.mark.parametrize("size", [1, 300, 100_000])
def test_an_envelope_is_opened_while_its_log_grows(
    tmp_path: Path, envelope: Callable[[tuple[str, ...]], str], size: int
) -> None:
    text = envelope(MESSAGES)
    log = LiveLog(tmp_path / "a.log", LiveStudies())
    lines = text.splitlines(keepends=True)
    with log.path.open("a") as file:
        for start in range(0, len(lines), size):
            print(*lines[start : start + size], sep="", end="", file=file, flush=True)
            log.poll()

    log.tail.close()
    assert rows_of(Recovery(log.studies())) == rows_of(of_text(text))


def prefixed(prefix: str, envelope: Callable[[tuple[str, ...]], str]) -> Callable[..., str]:
    def lines(messages: tuple[str, ...]) -> str:
        return "".join(f"{prefix}{line}\n" for line in envelope(messages).split("\n")[:-1])

    return lines


def json_in_json(messages: tuple[str, ...]) -> str:
    return json_lines(tuple(docker(messages).splitlines()))


def with_other_fields(messages: tuple[str, ...]) -> str:
    return "".join(
        json.dumps({"line": message, "time": 1772359200123, "fields": {"message": "other"}}) + "\n"
        for message in messages
    )


def of_opentelemetry(messages: tuple[str, ...]) -> str:
    return "".join(
        json.dumps({"timestamp": "1772359200123000000", "body": {"stringValue": message}}) + "\n"
        for message in messages
    )


def gelf(messages: tuple[str, ...]) -> str:
    return "".join(json.dumps({"short_message": message}) + "\n" for message in messages)


def logfmt_with_other_text(messages: tuple[str, ...]) -> str:
    return "".join(
        f'event={json.dumps(message)} ts=1772359200.5 level=info err="a msg=b" text=other\n'
        for message in messages
    )


def logfmt_of_python(messages: tuple[str, ...]) -> str:
    return "".join(f"2026-03-01T10:00:00Z level=info msg={message!r}\n" for message in messages)


OTHER_ENVELOPES = (
    prefixed("2026-03-01T10:00:00+00:00\tdocker.a\t", docker),
    prefixed("Mar  1 10:00:00 host app[12]: ", json_lines),
    json_in_json,
    with_other_fields,
    of_opentelemetry,
    gelf,
    logfmt_with_other_text,
    logfmt_of_python,
)


@pytest.mark.parametrize("envelope", OTHER_ENVELOPES)
def test_another_envelope_changes_nothing(envelope: Callable[[tuple[str, ...]], str]) -> None:
    recovery = of_text(envelope(MESSAGES))

    assert rows_of(recovery) == rows_of(of_text(STAMPED))
    assert recovery.conflicts == []


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_costs_no_record(encoding: str) -> None:
    recovery = read_trials([io.BytesIO(json_lines(MESSAGES).encode(encoding))])

    assert rows_of(recovery) == rows_of(of_text(STAMPED))


def test_a_record_that_names_a_trial_elsewhere_is_counted() -> None:
    for line in ('{"message": "x", "text2": "Trial 5 pruned."}', "msg=Trial 5 pruned. level=info"):
        assert of_text(json_lines(MESSAGES[:1]) + line + "\n").unmatched == 1


def test_lines_of_two_streams_do_not_mix() -> None:
    line = f"{STAMP}Trial 0 finished with value: 0.5 and parameters: {{'t': '{'x' * 20_000}'}}. \n"
    parts = (line[:16384], line[16384:])
    records = [
        {"log": parts[0], "stream": "stderr"},
        {"log": "Epoch 1\n", "stream": "stdout"},
        {"log": parts[1], "stream": "stderr"},
    ]
    of_docker = "".join(json.dumps(record) + "\n" for record in records)
    of_containerd = (
        f"2026-03-01T10:00:00Z stderr P {parts[0]}\n2026-03-01T10:00:00Z stdout F Epoch 1\n"
        f"2026-03-01T10:00:00Z stderr F {parts[1]}"
    )

    for text in (of_docker, of_containerd):
        assert rows_of(of_text(text))[0][4] == {"t": "x" * 20_000}


def test_a_document_of_records_is_counted() -> None:
    document = json.dumps({"events": [{"message": message} for message in MESSAGES]})

    recovery = of_text(document)

    assert rows_of(recovery) == []
    assert recovery.unmatched == 1


@pytest.mark.parametrize("envelope", [docker, prefixed("Mar  1 10:00:00 a: ", json_lines)])
@pytest.mark.parametrize("part", [slice(30, None), slice(0, -9)])
def test_a_part_of_a_record_is_counted_and_not_read(
    envelope: Callable[[tuple[str, ...]], str], part: slice
) -> None:
    lines = envelope(MESSAGES).splitlines()
    lines[1] = lines[1][part]

    recovery = of_text("\n".join([*lines, ""]))

    assert 0 not in [row[1] for row in rows_of(recovery)]
    assert recovery.damaged == 1


def test_a_field_of_a_line_is_no_record() -> None:
    quoted = json.dumps({"text": f"{STAMP}Trial 1 pruned. "}).replace("[", "\\u005b")

    assert not of_text(f"{STAMP}Run 1a2b3c4d enqueued: trial_params={quoted}\n").has_trials
