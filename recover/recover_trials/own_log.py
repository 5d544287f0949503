"""The log of a search script, read by the table it was written with.

A line counts only if it is whole: its closing mark is the checksum of everything before it.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from hpo_script.machinery.trial_log import IDENTITY
from recover_trials.literals import whole_json
from recover_trials.patterns import pattern
from recover_trials.version1 import ALL_EVENTS

STAMP = r"\[[A-Z] \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] "
START = pattern(STAMP)
LINE = pattern(
    r"\[(?P<level>[A-Z]) (?P<time>.{23})\] (?P<head>(?:Run|Trial) [^:]{1,80}): (?P<fields>.*)",
    re.DOTALL,
)
MARK = pattern(r" ;([0-9a-f]{8})")
OURS = pattern(STAMP + r"(?:Run [0-9a-f]+ |Trial \d+(?: [a-z]+(?: \d+)?)?: arch_idx=)")
ONLY_OURS = pattern(
    r"\] Run | ;[0-9a-f]|, (?:d_ff|study|run|config_id)=|\d [a-z]+(?: \d+)?: arch_"
)
# The predecessor printed six digits of the learning rate, and these fields last.
OLD_START = pattern(
    r"lr=\d+\.\d{6}, epochs=\d+, batch(?:_size=\d+|=\d+x\d+, dropout=\d\.\d\d)[\r\n]*\Z"
)
FULL_PRECISION = pattern(r"\blr=(?:\d+\.\d{7}|[\d.]+e)")
COUNTERS = {"trial": r"(?P<trial>\d+)", "step": r"(?P<step>\d+)", "unit": r"(?P<unit>[a-z]+)"}
FIELD = pattern(r"(?:, )?([^\s=]+)=")
SCALAR = pattern(r"[^\s,]+(?:,\d{3})*(?=, |\Z)")
WHOLE = pattern(r"-?\d+(?:,\d{3})*")
DECODER = json.JSONDecoder()
WORDS = {"true": True, "false": False, "null": None}


# An evaluation as nearly every line of a log is one: whole numbers, then metrics, then identity.
EVALUATION = pattern(
    STAMP.encode()
    + rb"Trial (\d{1,9}) ([a-z]+) (\d{1,9}):"
    + rb" (arch_idx=\d{1,9}, d_model=\d{1,9}, n_layers=\d{1,9}, n_heads=\d{1,9},"
    + rb" params=\d{1,3}(?:,\d{3}){0,4}, d_ff=\d{1,9}), "
    + rb'((?:\w+=[-+.\de]+, )*)study="(\w+)", run="(\w+)" ;([0-9a-f]{8})\r?\n'
)


class Evaluation(NamedTuple):
    """A part of a learning curve: steps, and what their lines say.

    The architecture is as the lines have it; empty if it is not wanted.
    """

    trial: int
    study: str
    run: str
    points: list[tuple[int, dict[str, Any]]]
    architecture: str = ""


class Event(NamedTuple):
    """One whole line: a row of LOG_EVENTS with its values."""

    name: str
    level: str
    time: datetime
    fields: dict[str, Any]


def read_evaluations(block: bytes, begin: int) -> tuple[list[Evaluation], int]:
    """Return the evaluations of the commonest form that stand from a position on, and their end.

    They are read as one JSON text. Those of one trial that follow each other are together.
    """
    groups, end = [], begin
    view = memoryview(block)
    while match := EVALUATION.match(block, end):
        if zlib.crc32(view[end : match.start(8) - 2]) != int(match[8], 16):
            break
        groups.append(match.groups())
        end = match.end()
    lines = b";".join([b"%b=%b, %b" % (unit, step, more) for _, unit, step, _, more, *_ in groups])
    swapped = lines.replace(b"=", b'":').replace(b", ;", b'},{"').replace(b", ", b',"')
    points = whole_json(f'[{{"{swapped[:-2].decode()}}}]') if groups else None
    if points is None:
        return [], begin
    found: list[Evaluation] = []
    same: tuple[bytes, ...] = ()
    for (trial, _, step, sizes, _, study, run, _), point in zip(groups, points, strict=True):
        if same != (trial, study, run):
            same = trial, study, run
            found.append(Evaluation(int(trial), study.decode(), run.decode(), [], sizes.decode()))
        found[-1].points.append((int(step), point))
    return found, end


def read_line(text: str, *, foreign: bool = False) -> tuple[list[Event], int, str]:
    """Return the events in a physical line, how many lines of ours in it are damaged, the rest.

    A line cut by a crash has no line end, so that the next one may stand behind it. In a log that
    is `foreign` so far, the beginning of a start line may be one of the predecessor's, whole.
    """
    starts = [0, *(match.start() for match in START.finditer(text))]
    events, damaged, rest = [], 0, ""
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        piece = text[start:end]
        line = whole_line(piece)
        if event := line and event_of(line):
            events.append(event)
        elif line is None or known_head(line["head"]):
            ours = line or (OURS.match(piece) and not is_old_start(piece, foreign=foreign))
            damaged += bool(ours)
            rest += "" if ours else piece
    return events, damaged, rest


def parse_event(piece: str) -> Event | None:
    """Return the event of a line that begins at its time stamp; None if it is not whole."""
    line = whole_line(piece)
    return line and event_of(line)


def whole_line(piece: str) -> re.Match[str] | None:
    """Return the line that a piece begins with, if a closing mark proves it whole."""
    digest, end = 0, 0
    for mark in MARK.finditer(piece):
        digest = zlib.crc32(piece[end : mark.start()].encode(), digest)
        end = mark.start()
        if f"{digest:08x}" == mark[1]:
            return LINE.fullmatch(piece, 0, end)
    return None


def is_old_start(piece: str, *, foreign: bool) -> bool:
    """Tell whether a start line is the predecessor's: whole, or cut in a log of its own."""
    if ONLY_OURS.search(piece) or FULL_PRECISION.search(piece):
        return False
    return foreign or OLD_START.search(piece) is not None


def later_heads(text: str) -> list[str]:
    """Return the heads of whole lines that only a later version knows."""
    pieces = (text[match.start() :] for match in START.finditer(text))
    lines = (whole_line(piece) for piece in pieces if MARK.search(piece))
    return [line["head"] for line in lines if line and not known_head(line["head"])]


def known_head(head: str) -> tuple[str, re.Match[str]] | None:
    """Return the event whose head this is; None for one of a later version."""
    found = ((name, known.fullmatch(head)) for name, known in heads().items())
    return next(((name, match) for name, match in found if match), None)


@cache
def heads() -> dict[str, re.Pattern[str]]:
    """Return the regular expression of the head of each kind of line."""
    found = {}
    for name, event in ALL_EVENTS.items():
        head = re.sub(r"{(\w+)}", lambda m: COUNTERS.get(m[1], rf"(?P<{m[1]}>\w+)"), event.head)
        found[name] = re.compile(head)
    return found


def event_of(line: re.Match[str]) -> Event | None:
    """Return the event of a whole line; None if a later version wrote what cannot be read."""
    known = known_head(line["head"])
    if known is None:
        return None
    name, match = known
    try:
        time = datetime.fromisoformat(line["time"].replace(",", "."))
        fields = dict(parse_fields(line["fields"]))
        counters = {
            k: int(v) if k in ("trial", "step") else v for k, v in match.groupdict().items()
        }
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(fields.get(name), str) for name in IDENTITY):
        return None
    return Event(name, line["level"], time, {**fields, **counters})


def parse_fields(text: str) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a line; names that the table does not know are as good as others.

    Raises ValueError for text that is not fields to its end.
    """
    position = 0
    while position < len(text):
        match = FIELD.match(text, position)
        if match is None:
            raise ValueError(text[position:])
        position = match.end()
        if text[position : position + 1] in ('"', "{", "["):
            value, position = DECODER.raw_decode(text, position)
        else:
            scalar = SCALAR.match(text, position)
            if scalar is None:
                raise ValueError(text[position:])
            value, position = parse_scalar(scalar[0]), scalar.end()
        yield match[1], value


def time_of(fields: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time as the study has it; None if it is not known."""
    try:
        return datetime.fromisoformat(fields[name]).replace(tzinfo=None)
    except (KeyError, TypeError, ValueError):
        return None


def parse_scalar(text: str) -> Any:
    """Read a number, true, false or null."""
    if text in WORDS:
        return WORDS[text]
    return int(text.replace(",", "")) if WHOLE.fullmatch(text) else float(text)
