"""Envelopes: forms in which log collectors, consoles and web pages wrap the lines of a log.

Each envelope becomes plain lines with escapes undone. The first lines of a text show its form; a
line in another form is passed unchanged, and a damaged one that names a trial is counted.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import chain
from typing import Any

from recover_trials.files.blocks import LONGEST_LINE, whole_lines
from recover_trials.files.wrapped_lines import RICH, joined_rich, joined_width, wrapped_width
from recover_trials.optuna_log.literals import parse_literal
from recover_trials.skipped_lines import Findings

HEAD = 64 * 1024
DEEPEST = 3  # envelopes within envelopes
FIRST_LINES = 200
ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\))")
NAMES_TRIAL = re.compile(r"[Tt]rial[# ]\d|A new study|Using an existing study")
# The fields of a record that hold its message, and its time.
MESSAGES = (
    *("log", "message", "msg", "MESSAGE", "event", "text", "line", "textPayload", "body"),
    *("short_message", "stringValue"),
)
TIMES = ("time", "timestamp", "@timestamp", "asctime", "ts", "datetime", "date", "@t", "t", "at")
NESTED = ("record", "jsonPayload", "fields", "attributes", "body")
STAMPED = re.compile(r"(?:\x1b\[[\d;]*m)?\[[A-Z] \d{4}-\d\d-\d\d |\[?\d{4}-\d\d-\d\d[ T]\d\d:")
SPACE = re.compile(r"\s+")
NUMBER = re.compile(r"\d{6,20}(?:\.\d{1,9})?")
LATEST = 1e11  # seconds since 1970; a larger time is in milliseconds or smaller units
PIECE = 16 * 1024  # bytes of a record of Docker, which splits longer lines
PAIR = re.compile(
    r"([A-Za-z_@][\w.@-]*)="
    r"(\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s\"']\S*(?: \d\d:\d\d:\S+)?|)(?=\s|\Z)"
)
LOGFMT_START = re.compile(rf"(?:(\d{{4}}-\d\d-\d\d[T ]\d\d:\S+)\s+)?{PAIR.pattern}")
# A line of containerd and CRI-O, which split long ones.
CRI = re.compile(r"(\d{4}-\d\d-\d\dT\S+) (stdout|stderr) ([FP]) (.*)", re.DOTALL)
TAG = re.compile(r"<(?:/?[A-Za-z][^<>]*|!--.*?--)>")
LINE_TAG = re.compile(r"<(?:br\s*/?|/(?:p|div|tr|li|pre|h\d))>", re.IGNORECASE)
HTML = re.compile(r"\s*<(?:!doctype html|html|head|body|pre|div|span|p|table)\b", re.IGNORECASE)
ESCAPED = re.compile(r"parameters: \{&(?:#x27|#39|#34|quot|apos);")

Lines = Iterator[str]


def plain_lines(chunks: Iterable[bytes], findings: Findings, depth: int = 0) -> Iterator[bytes]:
    """Yield the text of a log without its envelopes; other texts are passed unchanged."""
    iterator = iter(chunks)
    head = b""
    for chunk in iterator:
        head += chunk
        if len(head) >= HEAD:
            break
    rest: Iterable[bytes] = chain([head], iterator)
    beginning = head[:HEAD].decode("utf-8", "replace")
    opener = opener_of(ANSI.sub("", beginning))
    if depth == DEEPEST:
        yield from rest
    elif opener is None:
        yield from joined_lines(rest, ANSI.sub("", beginning))
    else:
        yield from plain_lines(blocks_of(opener(lines_of(rest), findings)), findings, depth + 1)


def joined_lines(chunks: Iterable[bytes], beginning: str) -> Iterator[bytes]:
    """Yield the text of a log with the lines joined that a console wrapped."""
    width = wrapped_width(beginning)
    if any(RICH.match(line) for line in beginning.splitlines()[:FIRST_LINES]):
        yield from blocks_of(joined_rich(without_ansi(lines_of(chunks))))
    elif width:
        yield from blocks_of(joined_width(without_ansi(lines_of(chunks)), width))
    else:
        yield from chunks


def blocks_of(lines: Lines) -> Iterator[bytes]:
    """Yield lines in blocks, which the reader takes faster."""
    block, size = [], 0
    for line in lines:
        block.append(line)
        size += len(line)
        if size >= HEAD:
            yield "".join(block).encode("utf-8", "replace")
            block, size = [], 0
    if block:
        yield "".join(block).encode("utf-8", "replace")


def opener_of(beginning: str) -> Callable[[Lines, Findings], Lines] | None:
    """Return the function that opens the envelopes of a text; None for plain text."""
    first = [line for line in beginning.splitlines() if line.strip()][:FIRST_LINES]
    if any(message_of(record_of(line)) is not None for line in first):
        return open_records
    if any(message_of(dict(fields_of(line))) is not None for line in first):
        return open_logfmt
    if any(CRI.match(line) for line in first):
        return open_cri
    if HTML.match(beginning):
        return open_page
    if ESCAPED.search(beginning):
        return lambda lines, _: map(html.unescape, lines)
    return None


def lines_of(chunks: Iterable[bytes]) -> Lines:
    """Yield the lines of a text with their ends; the last one may lack it."""
    for block in whole_lines(chunks):
        for line in block.split(b"\n")[:-1]:
            yield line.removesuffix(b"\r").decode("utf-8", "replace") + "\n"
        if not block.endswith(b"\n"):
            yield block[block.rfind(b"\n") + 1 :].decode("utf-8", "replace")


def without_ansi(lines: Lines) -> Lines:
    return (ANSI.sub("", line) for line in lines)


def record_of(line: str) -> dict[str, Any] | None:
    """Return the JSON object of a line, also behind other text if its message names a trial."""
    text = line.strip().rstrip(",")
    start = text.find("{") if text.endswith("}") else -1
    is_field = text[start - 1 : start] == "="  # a value in a cut line of hpogen, no record
    if start < 0 or is_field or NAMES_TRIAL.search(text, 0, start):
        return None
    try:
        record = json.loads(text[start:])
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    return record if start == 0 or NAMES_TRIAL.search(message_of(record) or "") else None


def message_of(record: dict[str, Any] | None) -> str | None:
    """Return the message of a record, or of a record within it; one that names a trial first."""
    if record is None:
        return None
    inner = [record[name] for name in NESTED if isinstance(record.get(name), dict)]
    messages = [
        fields[name]
        for fields in (*inner, record)
        for name in MESSAGES
        if isinstance(fields.get(name), str)
    ]
    return next(filter(NAMES_TRIAL.search, messages), messages[0] if messages else None)


def open_records(lines: Lines, findings: Findings) -> Lines:
    """Yield the messages of JSON lines, each with the time of its record before it."""
    pieces: dict[str, str] = {}  # of the long lines that Docker splits, by stream
    for line in lines:
        record = record_of(line)
        message = message_of(record)
        if record is None or message is None:
            is_damaged = record is None and is_torn(line)
            yield from other_line(line, findings, is_damaged=is_damaged)
            continue
        count_lost(line, message, findings)
        stream = str(record.get("stream"))
        before = pieces.pop(stream, "")
        is_piece = "log" in record and len(message.encode("utf-8", "replace")) >= PIECE
        message = before + message if before else headed(message, time_of(record))
        if is_piece and not message.endswith("\n") and len(message) < LONGEST_LINE:
            pieces[stream] = message
            continue
        yield message if message.endswith("\n") else f"{message}\n"
    yield from pieces.values()


def is_torn(line: str) -> bool:
    """Return whether a line is a part of a record: its escapes cannot be undone for certain."""
    text = line.strip()
    trial = NAMES_TRIAL.search(text)
    before = text[: trial.start()] if trial else ""
    return text[:1] == "{" or text.endswith('"}') or '{"' in before


def open_cri(lines: Lines, _: Findings) -> Lines:
    """Yield the lines of a container, joined where they were split."""
    pieces: dict[str, str] = {}
    for line in lines:
        match = CRI.match(line)
        if match is None:
            yield line
            continue
        time, stream, part, text = match.groups()
        text = pieces.pop(stream, "") + text
        if part == "P" and len(text) < LONGEST_LINE:
            pieces[stream] = text.removesuffix("\n")
            continue
        yield headed(text, local_text(time))
    yield from pieces.values()


def count_lost(line: str, message: str, findings: Findings) -> None:
    """Count a record that names a trial outside of its message."""
    if NAMES_TRIAL.search(line) and not NAMES_TRIAL.search(message):
        findings.unmatched.add(line)


def other_line(line: str, findings: Findings, *, is_damaged: bool) -> Lines:
    """Yield a line without an envelope; count a damaged envelope around a trial."""
    if not is_damaged:
        yield line
    elif NAMES_TRIAL.search(line):
        findings.damaged += 1


def headed(message: str, time: str) -> str:
    """Return a message after the time of its record.

    A message with a time of its own, a record, and an indented line, which continues another one,
    are returned alone.
    """
    alone = STAMPED.match(message) or message.startswith(("{", " ", "\t"))
    return message if alone or not time else f"{time} INFO {message}"


def time_of(record: dict[str, Any]) -> str:
    """Return the time of a record, local; empty if it has none."""
    times = (record[name] for name in TIMES if isinstance(record.get(name), (str, int, float)))
    return local_text(next(times, ""))


def local_text(time: str | float) -> str:
    """Return a time as a log has it, from ISO text or seconds since 1970; empty if unreadable."""
    try:
        if isinstance(time, (int, float)) or NUMBER.fullmatch(time):
            seconds = float(time)
            while seconds > LATEST:
                seconds /= 1000
            moment = datetime.fromtimestamp(seconds)  # noqa: DTZ006  # local, as in a log
        else:
            text = re.sub(r"([.,]\d{6})\d+", r"\1", time.strip()).replace(",", ".")
            text = re.sub(r"\.(\d{1,5})(?!\d)", lambda m: "." + m[1].ljust(6, "0"), text)
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
            moment = moment.astimezone().replace(tzinfo=None) if moment.tzinfo else moment
        return moment.isoformat(" ", "microseconds")
    except (ValueError, OverflowError, OSError):
        return ""


def fields_of(line: str) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a line of `key=value` pairs, in which a time may precede them."""
    start = LOGFMT_START.match(line)
    if start is None:
        return
    if start[1]:
        yield "time", start[1]
    position = start.start(2)
    while position < len(line):
        pair = PAIR.match(line, position)
        if pair:
            yield pair[1], unquoted(pair[2])
        end = pair.end() if pair else position
        position = next((m.end() for m in SPACE.finditer(line, end)), len(line))


def open_logfmt(lines: Lines, findings: Findings) -> Lines:
    """Yield the messages of lines of `key=value` pairs."""
    for line in lines:
        fields = dict(reversed([*fields_of(line)]))  # of equal names, the first counts
        message = message_of(fields)
        if message is None:
            yield from other_line(line, findings, is_damaged=LOGFMT_START.match(line) is not None)
            continue
        count_lost(line, message, findings)
        yield headed(message, time_of(fields)) + "\n"


def unquoted(text: str) -> str:
    """Return the text of a quoted value."""
    if text.startswith("'"):
        return str(parse_literal(text))
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text, strict=False))
    except ValueError:  # an escape that JSON does not have
        return re.sub(r"\\(.)", r"\1", text[1:-1])


def open_page(lines: Lines, _: Findings) -> Lines:
    """Yield the text of a page of HTML."""
    for line in lines:
        yield html.unescape(TAG.sub("", LINE_TAG.sub("\n", line)))
