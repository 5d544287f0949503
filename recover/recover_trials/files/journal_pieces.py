"""Splitting of a damaged Optuna journal into records and the invalid text between them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

BEGIN = re.compile(rb'(?=\{"op_code":)')
DECODER = json.JSONDecoder()


class Piece(NamedTuple):
    """A record of a journal, or invalid text, whose `record` is None.

    `alone` means that the piece fills a line with a line end.
    """

    line: int
    text: bytes
    record: dict[str, Any] | None
    alone: bool


def pieces_of(content: bytes) -> Iterator[Piece]:
    """Yield the records and the invalid text of all lines, in order."""
    *lines, rest = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        yield from pieces_in(number, line, ended=True)
    if rest:
        yield from pieces_in(len(lines) + 1, rest, ended=False)


def pieces_in(number: int, line: bytes, *, ended: bool) -> Iterator[Piece]:
    """Yield the records and the invalid text of a line, in order."""
    parts = [part for part in BEGIN.split(line) if part.strip()] or [b""]
    for part in parts:
        record, end = read_record(part)
        alone = ended and len(parts) == 1
        if record is not None:
            yield Piece(number, part[:end], record, alone)
        if record is None or part[end:].strip():
            yield Piece(number, part[end:], None, alone and record is None)


def read_record(text: bytes) -> tuple[dict[str, Any] | None, int]:
    """Return the record at the start of a text, and its length in bytes; (None, 0) without one."""
    try:
        decoded = text.decode("utf-8", "surrogateescape")  # damaged bytes may follow the record
        record, end = DECODER.raw_decode(decoded)
        length = len(decoded[:end].encode())
    except (ValueError, RecursionError):
        return None, 0
    if not isinstance(record, dict) or not isinstance(record.get("op_code"), int):
        return None, 0
    return record, length
