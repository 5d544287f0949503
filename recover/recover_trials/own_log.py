"""The log of a search script, read by the table it was written with.

A line counts only if it is whole: its closing mark is the checksum of everything before it.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from hpo_script.trial_log import IDENTITY, LOG_EVENTS

STAMP = r"\[[A-Z] \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] "
START = re.compile(STAMP)
LINE = re.compile(
    r"\[(?P<level>[A-Z]) (?P<time>.{23})\] (?P<head>(?:Run|Trial) [^:]{1,80}): (?P<fields>.*)",
    re.DOTALL,
)
MARK = re.compile(r" ;([0-9a-f]{8})")
OURS = re.compile(STAMP + r"(?:Run [0-9a-f]+ |Trial \d+(?: [a-z]+(?: \d+)?)?: arch_idx=)")
ONLY_OURS = re.compile(
    r"\] Run | ;[0-9a-f]|, (?:d_ff|study|run|config_id)=|\d [a-z]+(?: \d+)?: arch_"
)
# The predecessor printed six digits of the learning rate, and these fields last.
OLD_START = re.compile(
    r"lr=\d+\.\d{6}, epochs=\d+, batch(?:_size=\d+|=\d+x\d+, dropout=\d\.\d\d)[\r\n]*\Z"
)
FULL_PRECISION = re.compile(r"\blr=(?:\d+\.\d{7}|[\d.]+e)")
COUNTERS = {"trial": r"(?P<trial>\d+)", "step": r"(?P<step>\d+)", "unit": r"(?P<unit>[a-z]+)"}
HEADS = {
    name: re.compile(
        re.sub(r"{(\w+)}", lambda m: COUNTERS.get(m[1], rf"(?P<{m[1]}>\w+)"), event.head)
    )
    for name, event in LOG_EVENTS.items()
}
FIELD = re.compile(r"(?:, )?([^\s=]+)=")
SCALAR = re.compile(r"[^\s,]+(?:,\d{3})*(?=, |\Z)")
WHOLE = re.compile(r"-?\d+(?:,\d{3})*")
WORDS = {"true": True, "false": False, "null": None}


# An evaluation as nearly every line of a log is one: whole numbers, then metrics, then identity.
EVALUATION = re.compile(
    STAMP + r"Trial (\d{1,9}) ([a-z]+) (\d{1,9}): arch_idx=\d+, d_model=\d+, n_layers=\d+,"
    r" n_heads=\d+, params=[\d,]+, d_ff=\d+, ((?:[A-Za-z_]\w*=-?\d+(?:\.\d+)?(?:e[-+]\d+)?, )*)"
    r'study="(\w+)", run="(\w+)" ;([0-9a-f]{8})'
)


class Evaluation(NamedTuple):
    """A point of a learning curve."""

    trial: int
    unit: str
    step: int
    metrics: dict[str, Any]
    study: str
    run: str


@dataclass(frozen=True)
class Event:
    """One whole line: a row of LOG_EVENTS with its values."""

    name: str
    level: str
    time: datetime
    fields: dict[str, Any]


def read_evaluation(line: str) -> Evaluation | None:
    """Return the evaluation that a line of the commonest form is; None for any other."""
    match = EVALUATION.fullmatch(line)
    if match is None or f"{zlib.crc32(line[:-10].encode()):08x}" != match[7]:
        return None
    trial, unit, step, told, study, run, _ = match.groups()
    metrics: dict[str, Any] = {}
    for pair in told[:-2].split(", ") if told else ():
        name, _, value = pair.partition("=")
        metrics[name] = float(value) if "." in value or "e" in value else int(value)
    return Evaluation(int(trial), unit, int(step), metrics, study, run)


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
    found = ((name, pattern.fullmatch(head)) for name, pattern in HEADS.items())
    return next(((name, match) for name, match in found if match), None)


def event_of(line: re.Match[str]) -> Event | None:
    """Return the event of a whole line; None if a later version wrote what cannot be read."""
    known = known_head(line["head"])
    if known is None:
        return None
    name, match = known
    try:
        time = datetime.strptime(line["time"], "%Y-%m-%d %H:%M:%S,%f")
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
    decoder = json.JSONDecoder()
    while position < len(text):
        match = FIELD.match(text, position)
        if match is None:
            raise ValueError(text[position:])
        position = match.end()
        if text[position : position + 1] in ('"', "{", "["):
            value, position = decoder.raw_decode(text, position)
        else:
            scalar = SCALAR.match(text, position)
            if scalar is None:
                raise ValueError(text[position:])
            value, position = parse_scalar(scalar[0]), scalar.end()
        yield match[1], value


def parse_scalar(text: str) -> Any:
    """Read a number, true, false or null."""
    if text in WORDS:
        return WORDS[text]
    return int(text.replace(",", "")) if WHOLE.fullmatch(text) else float(text)
