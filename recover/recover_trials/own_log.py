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
from typing import Any

from hpo_script.trial_log import LOG_EVENTS

STAMP = r"\[[A-Z] \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] "
START = re.compile(STAMP)
LINE = re.compile(
    r"(?P<line>\[(?P<level>[A-Z]) (?P<time>[^\]]{23})\]"
    r" (?P<head>(?:Run|Trial) [^:]{1,80}): (?P<fields>.*)) ;(?P<mark>[0-9a-f]{8})",
    re.DOTALL,
)
OURS = re.compile(STAMP + r"(?:Run [0-9a-f]+ |Trial \d+(?: [a-z]+(?: \d+)?)?: arch_idx=)")
COUNTERS = {"trial": r"(?P<trial>\d+)", "step": r"(?P<step>\d+)", "unit": r"(?P<unit>[a-z]+)"}
HEADS = {
    name: re.compile(
        re.sub(r"{(\w+)}", lambda m: COUNTERS.get(m[1], rf"(?P<{m[1]}>\w+)"), event.head)
    )
    for name, event in LOG_EVENTS.items()
}
FIELD = re.compile(r"(\w+)=")
SCALAR = re.compile(r"[^\s,]+(?:,\d{3})*(?=, \w+=|$)")
WHOLE = re.compile(r"-?\d+(?:,\d{3})*")
WORDS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True)
class Event:
    """One whole line: a row of LOG_EVENTS with its values."""

    name: str
    level: str
    time: datetime
    fields: dict[str, Any]


def read_line(text: str) -> tuple[list[Event], int]:
    """Return the events in a physical line, and how many lines of ours in it are damaged.

    A line cut by a crash has no line end, so that the next one may stand behind it.
    """
    starts = [match.start() for match in START.finditer(text)]
    events, damaged = [], 0
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        piece = text[start:end]
        event = parse_event(piece)
        if event:
            events.append(event)
        elif OURS.match(piece):
            damaged += 1
    return events, damaged


def parse_event(piece: str) -> Event | None:
    """Return the event of a line that begins at its time stamp; None if it is not whole."""
    match = LINE.match(piece)
    if match is None or f"{zlib.crc32(match['line'].encode()):08x}" != match["mark"]:
        return None
    for name, head in HEADS.items():
        counters = head.fullmatch(match["head"])
        if counters:
            fields = dict(parse_fields(match["fields"]))
            time = datetime.strptime(match["time"], "%Y-%m-%d %H:%M:%S,%f")
            numbers = {k: int(v) if v.isdecimal() else v for k, v in counters.groupdict().items()}
            if "run" in numbers:
                numbers["run"] = counters["run"]
            return Event(name, match["level"], time, {**fields, **numbers})
    return None


def parse_fields(text: str) -> Iterator[tuple[str, Any]]:
    """Yield the fields of a line; names that the table does not know are as good as others."""
    position = 0
    decoder = json.JSONDecoder()
    while match := FIELD.match(text, position):
        position = match.end()
        if text[position : position + 1] in ('"', "{", "["):
            value, position = decoder.raw_decode(text, position)
        else:
            scalar = SCALAR.match(text, position)
            if scalar is None:
                return
            value, position = parse_scalar(scalar[0]), scalar.end()
        yield match[1], value
        position += 2  # ", "


def parse_scalar(text: str) -> Any:
    """Read a number, true, false or null."""
    if text in WORDS:
        return WORDS[text]
    return int(text.replace(",", "")) if WHOLE.fullmatch(text) else float(text)
