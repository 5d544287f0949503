"""Blocks that end with a line, from chunks of any size."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator

BLOCK = 384 * 1024  # a block and what is made of it fit into a processor's second cache
LINE = 1024  # few lines are longer
LONGEST_LINE = 1 << 24
# The C library gives memory back to the system above what was once freed at a time (mallopt(3),
# M_MMAP_THRESHOLD): without this it would map each block anew, and the system clear it, which
# takes longer than reading it.
FREED_ONCE = 8 * BLOCK


def file_chunks(file: io.FileIO) -> Iterator[bytes]:
    """Yield a file in chunks, each up to the end of a line if one is near: nothing is joined."""
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
    """Yield blocks of whole lines; the last one may end without a line end.

    What has no line end for megabytes (a hole full of zeros after a crash) is cut.
    """
    rest: list[bytes] = []  # of the line that goes on in the next chunk
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
