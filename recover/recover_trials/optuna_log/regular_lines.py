"""Fast path for regular lines: finished trials in the most frequent form, read by blocks.

Most results in most logs have this form. The parameters of a block are parsed as one JSON text:
the JSON parser is written in C, starts once per block, and keeps one object per name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from recover_trials.optuna_log.literals import parse_json, parse_mapping
from recover_trials.optuna_log.stamps import LENGTH

FLOAT = rb"-?(?:\d+\.\d+(?:e[-+]\d+)?|\d+e[-+]\d+|inf)"
BETWEEN = b" with value: "
LINE = (
    rb"(?:(?<=[\r\n])|\A)\[[A-Z] (.{23})\] Trial (\d{1,9}) finished with value: (" + FLOAT + rb")"
    rb" and parameters: \{(%b)\}"
    rb"\. Best is trial (\d{1,9}" + BETWEEN + FLOAT + rb")\.(?=[\r\n])"
)
IRREGULAR = b'{"\\\x1b\r\n'  # characters that regular parameters do not hold
REGULAR = re.compile(LINE % b"[^}%b]*" % re.escape(IRREGULAR))
# The same without the check for IRREGULAR, which is faster over a whole block.
FAST = re.compile(LINE % b"[^}]*")
# Largest number of capital Ts in a block that do not begin `Trial`: 8, and one per 8 KB.
MOST_OTHERS, ONE_MORE = 8, 8192

# Number, value, time, parameters (None if they are not a mapping), number and value of the best.
Row = tuple[int, float, datetime, dict[str, Any] | None, tuple[int, float]]


def regular_lines(block: bytes) -> list[re.Match[bytes]] | None:
    """Return the regular lines of a block; None if it may hold other lines about trials.

    Up to Optuna 1.5 a line says `Finished trial#3`: no capital T, but parameters in braces.
    """
    lines: list[re.Match[bytes]] = []
    end, left = 0, MOST_OTHERS + len(block) // ONE_MORE
    find, regular = block.find, FAST.match
    start = find(b"T")
    while start >= 0:
        match = regular(block, start - LENGTH) if start >= LENGTH else None
        if match:
            if find(b"{", end, start) >= 0:
                return None
            lines.append(match)
            end = match.end()
            start = find(b"T", end)
        else:
            left -= 1
            if left < 0 or block.startswith((b"Trial", b"Told trial"), start):
                return None
            start = find(b"T", start + 1)
    return lines if find(b"{", end) < 0 and find(b"trial#") < 0 else None


def rows_of(lines: Sequence[re.Match[bytes]]) -> list[Row] | None:
    """Return the rows of regular lines; None for an invalid time or irregular parameters."""
    groups = [match.groups() for match in lines]
    stamps, numbers, values, params, bests = zip(*groups, strict=True)
    joined = b"".join(params)
    if any(sign in joined for sign in IRREGULAR):
        return None
    iso_times = b"\n".join(stamps).replace(b",", b".")
    try:
        times = [*map(datetime.fromisoformat, iso_times.decode().split("\n"))]
    except ValueError:
        return None
    # Equal texts share one tuple, so that the caller compares consecutive tuples by identity.
    parsed_bests = {best: parse_best(best) for best in {*bests}}
    columns = map(int, numbers), map(float, values), times, parse_parameters(params)
    return [*zip(*columns, map(parsed_bests.__getitem__, bests), strict=True)]


def parse_best(text: bytes) -> tuple[int, float]:
    """Return number and value of the best trial."""
    number, _, value = text.partition(BETWEEN)
    return int(number), float(value)


def row_of(match: re.Match[bytes]) -> Row | None:
    """Return the row of one regular line; None as in `rows_of`."""
    rows = rows_of([match])
    return rows[0] if rows else None


def parse_parameters(texts: Sequence[bytes]) -> list[dict[str, Any] | None]:
    """Return the mappings whose contents are given; None for a text that is not a mapping."""
    lines = ["{" + text.decode("utf-8", "replace") + "}" for text in texts]
    mappings = parse_json(f"[{','.join(lines)}]")
    if mappings is None or len(mappings) != len(lines):
        return [parse_mapping(line) for line in lines]
    return list(mappings)
