"""Lines of search scripts, found in any text by the table they were written with.

A line counts only if it is whole: its closing mark is the checksum of everything before it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from hpo_script.machinery import trial_log
from hpo_script.machinery.trial_log import HEADS, IDENTITY, read_fields
from recover_trials.hpogen_log import version1_lines
from recover_trials.patterns import pattern

STAMP = trial_log.STAMP.pattern.decode()
START = pattern(STAMP)
LINE = pattern(
    r"\[[A-Z] (?P<time>.{23})\] (?P<head>(?:Run|Trial) [^:]{1,80}): (?P<fields>.*)", re.DOTALL
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
OWN_END = pattern(r', study="[^"]*", run="[^"]*" ;[0-9a-f]{8}\s*\Z')
KNOWN_HEADS = {**HEADS, **version1_lines.HEADS}
# Nearly every line of a log is an evaluation.
EVALUATION = pattern(
    STAMP.encode()
    + rb"Trial (\d{1,9}) [a-z]+ \d{1,9}: "
    + rb'[^\r\n]*, study="(\w+)", run="(\w+)" ;([0-9a-f]{8})\r?\n'
)


class Event(NamedTuple):
    """One whole line: a kind of LOG_EVENTS with its values."""

    name: str
    time: datetime
    fields: dict[str, Any]


class Unread(NamedTuple):
    """A whole line of an evaluation, whose fields are read only if somebody needs them."""

    trial: int
    study: str
    run: str
    line: bytes

    def read(self) -> Event | None:
        """Return the event."""
        return parse_event(self.line.decode("utf-8", "replace"))


def find_evaluation(block: bytes, begin: int) -> tuple[Unread, int] | None:
    """Return the evaluation that stands at a position, and where the next line begins."""
    match = EVALUATION.match(block, begin)
    if match is None:
        return None
    line = block[begin : match.end(4)]
    if zlib.crc32(line[:-10]) != int(match[4], 16):
        return None
    return Unread(int(match[1]), match[2].decode(), match[3].decode(), line), match.end()


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
    found = ((name, known.fullmatch(head)) for name, known in KNOWN_HEADS.items())
    return next(((name, match) for name, match in found if match), None)


def event_of(line: re.Match[str]) -> Event | None:
    """Return the event of a whole line; None if a later version wrote what cannot be read."""
    known = known_head(line["head"])
    if known is None:
        return None
    name, match = known
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


def time_of(fields: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time as the study has it; None if it is not known."""
    try:
        return datetime.fromisoformat(fields[name]).replace(tzinfo=None)
    except (KeyError, TypeError, ValueError):
        return None
