"""Finished trials of which nothing is unusual, read a block at a time.

Nearly every result of nearly every log is one. What a block says of them is put into one JSON
text: the reader of JSON is written in C, starts once, and keeps one object per name.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from recover_trials.formats.stamps import LENGTH
from recover_trials.literals import parse_json, parse_mapping

FLOAT = rb"-?(?:\d+\.\d+(?:e[-+]\d+)?|\d+e[-+]\d+|inf)"
REGULAR = re.compile(
    rb"(?:(?<=[\r\n])|\A)\[[A-Z] (.{23})\] Trial (\d{1,9}) finished with value: (" + FLOAT + rb")"
    rb" and parameters: (\{[^{}\"\\\x1b\r\n]*\})"
    rb"\. Best is trial (\d{1,9}) with value: (" + FLOAT + rb")\.(?=[\r\n])"
)
MOST_OTHERS = 8  # capitals in a block that begin no trial; a text with more of them is searched

# Number, value, time and parameters of a trial; number and value of the best one.
Row = tuple[int, float, datetime, dict[str, Any], int, float]


def regular_lines(block: bytes) -> list[re.Match[bytes]] | None:
    """Return the regular lines of a block; None if other lines in it may tell of a trial."""
    found: list[re.Match[bytes]] = []
    others = 0
    start = block.find(b"T")
    while start >= 0:
        match = REGULAR.match(block, start - LENGTH) if start >= LENGTH else None
        if match:
            found.append(match)
        else:
            others += 1
            if others > MOST_OTHERS or block.startswith(b"Trial", start):
                return None
        start = block.find(b"T", match.end() if match else start + 1)
    return found if braces_are_in(block, found) else None


def braces_are_in(block: bytes, found: list[re.Match[bytes]]) -> bool:
    """Tell whether only these lines have braces.

    Up to Optuna 1.5 a line says `Finished trial#3`: no capital T, but parameters in braces.
    """
    brace = block.find(b"{")
    for match in found:
        if brace != match.start(4):
            return False
        brace = block.find(b"{", match.end())
    return brace < 0


def rows_of(found: list[re.Match[bytes]]) -> list[Row] | None:
    """Return what regular lines say; None if a time or parameters in them are none."""
    groups = [match.groups() for match in found]
    stamps = b"\n".join([group[0] for group in groups]).replace(b",", b".")
    try:
        times = map(datetime.fromisoformat, stamps.decode().split("\n"))
        told = b",".join([part for group in groups for part in group[1:4]]).decode()
        said = parse_json(f"[{told}]") or one_by_one(groups)
        columns = zip(said[::3], said[1::3], times, said[2::3], groups, strict=True)
        return [
            (number, value, time, params, int(group[4]), float(group[5]))
            for number, value, time, params, group in columns
        ]
    except ValueError:
        return None


def one_by_one(groups: list[tuple[bytes, ...]]) -> list[Any]:
    """Return number, value and parameters of lines, one after the other; they are no JSON.

    Raises ValueError for what is no mapping.
    """
    said: list[Any] = []
    for _, number, value, told, *_ in groups:
        said += int(number), float(value), mapping_of(told)
    return said


def row_of(match: re.Match[bytes]) -> Row | None:
    """Return what one regular line says; None if its time or its parameters are none."""
    stamp, number, value, told, best, best_value = match.groups()
    try:
        time = datetime.fromisoformat(stamp.replace(b",", b".").decode())
        params = mapping_of(told)
    except ValueError:
        return None
    return int(number), float(value), time, params, int(best), float(best_value)


def mapping_of(told: bytes) -> dict[str, Any]:
    """Return parameters. Raises ValueError for what is no mapping."""
    text = told.decode()
    params = parse_json(text) or parse_mapping(text)
    if params is None:
        raise ValueError(text)
    return params
