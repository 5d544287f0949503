"""Records of a damaged Optuna journal, and the invalid text between them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

BEGIN = re.compile(rb'(?=\{"op_code":)')
DECODER = json.JSONDecoder()


class Piece(NamedTuple):
    """A record of a journal, or invalid text (`record` is None); `alone` if it fills its line."""

    line: int
    text: bytes
    record: dict[str, Any] | None
    alone: bool


def pieces_of(content: bytes) -> Iterator[Piece]:
    """Yield the records of each line, and invalid text."""
    *lines, rest = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        yield from pieces_in(number, line, ended=True)
    if rest:
        yield from pieces_in(len(lines) + 1, rest, ended=False)


def pieces_in(number: int, line: bytes, *, ended: bool) -> Iterator[Piece]:
    """Yield the records of a line and the text between them."""
    parts = [part for part in BEGIN.split(line) if part.strip()] or [b""]
    for part in parts:
        record, end = read_record(part)
        alone = ended and len(parts) == 1
        if record is not None:
            yield Piece(number, part[:end], record, alone)
        if record is None or part[end:].strip():
            yield Piece(number, part[end:], None, alone and record is None)


def read_record(text: bytes) -> tuple[dict[str, Any] | None, int]:
    """Return the record that a text begins with, and where it ends."""
    try:
        decoded = text.decode("utf-8", "surrogateescape")  # any bytes may follow the record
        record, end = DECODER.raw_decode(decoded)
        length = len(decoded[:end].encode())
    except (ValueError, RecursionError):
        return None, 0
    if not isinstance(record, dict) or not isinstance(record.get("op_code"), int):
        return None, 0
    return record, length
