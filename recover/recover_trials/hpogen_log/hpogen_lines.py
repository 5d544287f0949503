"""Lines of hpogen scripts, parsed by the table of events with which the scripts write them.

A whole line ends with the checksum of everything before it; other lines are damaged.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from hpo_script.machinery import log_lines
from hpo_script.machinery.log_lines import HEADS, IDENTITY, read_fields
from recover_trials.hpogen_log import version1_lines

STAMP = log_lines.STAMP.pattern.decode()
START = re.compile(STAMP)
LINE = re.compile(
    r"\[[A-Z] (?P<time>.{23})\] (?P<head>(?:Run|Trial) [^:]{1,80}): (?P<fields>.*)", re.DOTALL
)
CHECKSUM = re.compile(r" ;([0-9a-f]{8})")
HPOGEN = re.compile(STAMP + r"(?:Run [0-9a-f]+ |Trial \d+(?: [a-z]+(?: \d+)?)?: arch_idx=)")
ONLY_HPOGEN = re.compile(
    r"\] Run | ;[0-9a-f]|, (?:d_ff|study|run|config_id)=|\d [a-z]+(?: \d+)?: arch_"
)
# The predecessor printed six digits of the learning rate, and these fields last.
LEGACY_START = re.compile(
    r"lr=\d+\.\d{6}, epochs=\d+, batch(?:_size=\d+|=\d+x\d+, dropout=\d\.\d\d)[\r\n]*\Z"
)
FULL_PRECISION = re.compile(r"\blr=(?:\d+\.\d{7}|[\d.]+e)")
LINE_END = re.compile(r', study="[^"]*", run="[^"]*" ;[0-9a-f]{8}\s*\Z')
KNOWN_HEADS = {**HEADS, **version1_lines.HEADS}
# Most lines of a log are evaluations.
EVALUATION = re.compile(
    STAMP.encode()
    + rb"Trial (\d{1,9}) [a-z]+ \d{1,9}: "
    + rb'[^\r\n]*, study="(\w+)", run="(\w+)" ;([0-9a-f]{8})\r?\n'
)


class Event(NamedTuple):
    """The content of a whole line; `name` is a key of LOG_EVENTS."""

    name: str
    time: datetime
    fields: dict[str, Any]


class UnparsedEvaluation(NamedTuple):
    """A whole evaluation line; its fields are parsed only if no end line replaces them."""

    trial: int
    study: str
    run: str
    line: bytes

    def parse(self) -> Event | None:
        return parse_event(self.line.decode("utf-8", "replace"))


def find_evaluation(block: bytes, begin: int) -> tuple[UnparsedEvaluation, int] | None:
    """Return the evaluation at a position, and the position of the next line."""
    match = EVALUATION.match(block, begin)
    if match is None:
        return None
    line = block[begin : match.end(4)]
    if zlib.crc32(line[:-10]) != int(match[4], 16):
        return None
    return UnparsedEvaluation(
        int(match[1]), match[2].decode(), match[3].decode(), line
    ), match.end()


def parse_events(text: str, *, foreign: bool = False) -> tuple[list[Event], int, str]:
    """Return the events in a physical line, the number of damaged lines in it, and the rest.

    A line that a crash cut has no line end, so that the next line follows it directly. In a
    `foreign` log, which has no line of hpogen so far, a predecessor may have written a start line.
    """
    starts = [0, *(match.start() for match in START.finditer(text))]
    events, damaged, rest = [], 0, ""
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        piece = text[start:end]
        line = whole_line(piece)
        if event := line and event_of(line):
            events.append(event)
        elif line is None or find_head(line["head"]):
            is_hpogen = HPOGEN.match(piece) and not is_legacy_start(piece, foreign=foreign)
            damaged += bool(line or is_hpogen)
            rest += "" if line or is_hpogen else piece
    return events, damaged, rest


def parse_event(piece: str) -> Event | None:
    """Return the event of a text that begins with a time stamp; None if the line is not whole."""
    line = whole_line(piece)
    return line and event_of(line)


def whole_line(piece: str) -> re.Match[str] | None:
    """Return the line at the beginning of a text, if its checksum is right."""
    digest, end = 0, 0
    for mark in CHECKSUM.finditer(piece):
        digest = zlib.crc32(piece[end : mark.start()].encode(), digest)
        end = mark.start()
        if f"{digest:08x}" == mark[1]:
            return LINE.fullmatch(piece, 0, end)
    return None


def is_legacy_start(piece: str, *, foreign: bool) -> bool:
    """Return whether a predecessor wrote a start line, which in a `foreign` log may be cut."""
    if ONLY_HPOGEN.search(piece) or FULL_PRECISION.search(piece):
        return False
    return foreign or LEGACY_START.search(piece) is not None


def later_heads(text: str) -> list[str]:
    """Return the heads of whole lines that only a later version of hpogen writes."""
    pieces = (text[match.start() :] for match in START.finditer(text))
    lines = (whole_line(piece) for piece in pieces if CHECKSUM.search(piece))
    return [line["head"] for line in lines if line and not find_head(line["head"])]


def find_head(head: str) -> tuple[str, re.Match[str]] | None:
    """Return the event of a head; None for a head of a later version."""
    matches = ((name, regex.fullmatch(head)) for name, regex in KNOWN_HEADS.items())
    return next(((name, match) for name, match in matches if match), None)


def event_of(line: re.Match[str]) -> Event | None:
    """Return the event of a whole line; None if its fields cannot be parsed."""
    head = find_head(line["head"])
    if head is None:
        return None
    name, match = head
    try:
        time = datetime.fromisoformat(line["time"].replace(",", "."))
        fields = read_fields(line["fields"])
        counters = {
            k: int(v) if k in ("trial", "step") else v for k, v in match.groupdict().items()
        }
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(fields.get(name), str) for name in IDENTITY):
        return None
    return Event(name, time, {**fields, **counters})


def field_time(fields: Mapping[str, Any], name: str) -> datetime | None:
    """Return the time in a field, without its time zone; None for another value."""
    try:
        return datetime.fromisoformat(fields[name]).replace(tzinfo=None)
    except (KeyError, TypeError, ValueError):
        return None
