"""Blocks of whole lines, from chunks of any size."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator

BLOCK = 384 * 1024  # a block and its lines fit into a processor's second cache
LINE = 1024  # few lines are longer
LONGEST_LINE = 1 << 24
# The C library returns freed memory to the system above the largest size freed so far
# (mallopt(3), M_MMAP_THRESHOLD). Freeing this many bytes once keeps the memory of blocks in the
# process: mapping and clearing new memory for each block takes longer than reading it.
FREED_ONCE = 8 * BLOCK


def file_chunks(file: io.FileIO) -> Iterator[bytes]:
    """Yield a file in chunks that end with a line if one ends nearby, which saves copies."""
    bytes(FREED_ONCE)
    descriptor = file.fileno()
    seekable = hasattr(os, "pread") and stat.S_ISREG(os.fstat(descriptor).st_mode)
    position = file.tell() if seekable else 0
    while True:
        ahead = os.pread(descriptor, LINE, position + BLOCK) if seekable else b""
        chunk = file.read(BLOCK + ahead.find(b"\n") + 1)
        if not chunk:
            return
        position += len(chunk)
        yield chunk


def whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield blocks of whole lines; the last one may lack its line end.

    A line of many megabytes, such as a hole of zeros after a crash, is cut.
    """
    rest: list[bytes] = []  # of a line that ends in a later chunk
    size = 0
    for chunk in chunks:
        if not rest and chunk.endswith(b"\n"):
            yield chunk
            continue
        end = chunk.rfind(b"\n") + 1 or chunk.rfind(b"\r") + 1
        if end:
            yield b"".join((*rest, memoryview(chunk)[:end]))
            rest, size = [], 0
        if end < len(chunk):
            rest.append(chunk[end:])
            size += len(chunk) - end
        if size >= LONGEST_LINE:
            yield b"".join(rest)
            rest, size = [], 0
    if rest:
        yield b"".join(rest)
