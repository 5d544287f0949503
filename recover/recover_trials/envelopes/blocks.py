"""Blocks that end with a line, from chunks of any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

BLOCK = 192 * 1024  # of larger ones, most is mapped anew and given back each time
LONGEST_LINE = 1 << 24


def whole_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield blocks of whole lines; the last one may end without a line end.

    What has no line end for megabytes (a hole full of zeros after a crash) is cut.
    """
    rest: list[bytes] = []  # of the line that goes on in the next chunk
    size = 0
    for chunk in chunks:
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
