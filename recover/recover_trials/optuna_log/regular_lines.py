"""Finished trials of which nothing is unusual, read a block at a time.

Nearly every result of nearly every log is one. Their parameters stay text until one is asked for;
then those of a block are put into one JSON text: the reader of JSON is written in C, starts once,
and keeps one object per name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import repeat
from typing import Any

from recover_trials.optuna_log.literals import parse_json, parse_mapping
from recover_trials.optuna_log.stamps import LENGTH
from recover_trials.patterns import pattern

FLOAT = rb"-?(?:\d+\.\d+(?:e[-+]\d+)?|\d+e[-+]\d+|inf)"
BETWEEN = b" with value: "
LINE = (
    rb"(?:(?<=[\r\n])|\A)\[[A-Z] (.{23})\] Trial (\d{1,9}) finished with value: (" + FLOAT + rb")"
    rb" and parameters: \{(%b)\}"
    rb"\. Best is trial (\d{1,9}" + BETWEEN + FLOAT + rb")\.(?=[\r\n])"
)
UNUSUAL = b'{"\\\x1b\r\n'  # no character of regular parameters
REGULAR = pattern(LINE % b"[^}%b]*" % re.escape(UNUSUAL))
# The same where UNUSUAL is looked for afterwards: of a single character, a search is faster.
FAST = re.compile(LINE % b"[^}]*")
# Capitals in a block that begin no trial, and one more per so many bytes: a text with more of
# them is searched.
MOST_OTHERS, ONE_MORE = 8, 8192


class Parameters:
    """The parameters of the trials of a block, as their lines have them until one is asked for."""

    __slots__ = ("found", "text")

    def __init__(self, texts: Sequence[bytes]) -> None:
        self.text = b"\n".join([b"{%b}" % text for text in texts])
        self.found: list[dict[str, Any] | None] | None = None

    def of(self, place: int) -> dict[str, Any] | None:
        """Return the parameters of a trial; None if its text is no mapping."""
        if self.found is None:
            self.found, self.text = read_parameters(self.text), b""
        return self.found[place]


# Number, value, time, parameters with those of the block; number and value of the best one.
Row = tuple[int, float, datetime, Parameters, tuple[int, float]]


def regular_lines(block: bytes) -> list[re.Match[bytes]] | None:
    """Return the regular lines of a block; None if other lines in it may tell of a trial.

    Up to Optuna 1.5 a line says `Finished trial#3`: no capital T, but parameters in braces.
    """
    found: list[re.Match[bytes]] = []
    end, left = 0, MOST_OTHERS + len(block) // ONE_MORE
    find, regular = block.find, FAST.match
    start = find(b"T")
    while start >= 0:
        match = regular(block, start - LENGTH) if start >= LENGTH else None
        if match:
            if find(b"{", end, start) >= 0:
                return None
            found.append(match)
            end = match.end()
            start = find(b"T", end)
        else:
            left -= 1
            if left < 0 or block.startswith(b"Trial", start):
                return None
            start = find(b"T", start + 1)
    return found if find(b"{", end) < 0 else None


def rows_of(found: Sequence[re.Match[bytes]]) -> list[Row] | None:
    """Return what regular lines say; None if a time in them is none, or their parameters nest."""
    groups = [match.groups() for match in found]
    stamps, numbers, values, told, bests = zip(*groups, strict=True)
    together = b"".join(told)
    if any(sign in together for sign in UNUSUAL):
        return None
    said = b"\n".join(stamps).replace(b",", b".")
    try:
        times = [*map(datetime.fromisoformat, said.decode().split("\n"))]
    except ValueError:
        return None
    named = {best: best_of(best) for best in {*bests}}
    shared = repeat(Parameters(told), len(found))
    known = map(int, numbers), map(float, values), times, shared
    return [*zip(*known, map(named.__getitem__, bests), strict=True)]


def best_of(text: bytes) -> tuple[int, float]:
    """Return number and value of the best trial."""
    number, _, value = text.partition(BETWEEN)
    return int(number), float(value)


def row_of(match: re.Match[bytes]) -> Row | None:
    """Return what one regular line says; None as for several."""
    rows = rows_of([match])
    return rows[0] if rows else None


def read_parameters(text: bytes) -> list[dict[str, Any] | None]:
    """Return the mappings that lines are; None for a line that is none."""
    lines = text.decode("utf-8", "replace").split("\n")
    found = parse_json(f"[{','.join(lines)}]")
    if found is None or len(found) != len(lines):
        return [parse_mapping(line) for line in lines]
    return list(found)
