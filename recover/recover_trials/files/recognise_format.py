"""Recognition of a file's format by the bytes at its beginning."""

from __future__ import annotations

import re

SQLITE = b"SQLite format 3\0"
JOURNAL = b'{"op_code":'
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
MOST_DAMAGED = 20  # lines before the first whole record of a journal
CELLS = (b'"cells"', b'"nbformat"', b'"worksheets"')


def is_journal(head: bytes) -> bool:
    """Return whether a file begins as a journal does, also after damage of its first lines."""
    lines = [line.strip(b"\0 \t\r") for line in head.split(b"\n", MOST_DAMAGED)]
    return any(line.startswith(JOURNAL) for line in lines)


def is_notebook(head: bytes) -> bool:
    start = head.lstrip()
    return start[:1] == b"{" and any(key in start for key in CELLS)


def is_certainly_log(head: bytes, name: str) -> bool:
    """Return whether the beginning of a file excludes a file of results."""
    if name.lower().endswith(".json"):
        return False
    start = head.lstrip()
    list_of = start[:1] == b"[" and start[1:].lstrip()[:1] in (b"{", b"]", b"")
    columns = [name.strip(b'"') for name in re.split(rb"[,;\t]", start[:100])[:2]]
    if start.startswith((b"+-", b"- ")):
        return False
    of_table = any(name in columns for name in (b"number", b"trial", b"rank"))
    return not (start[:1] == b"{" or list_of or of_table)
