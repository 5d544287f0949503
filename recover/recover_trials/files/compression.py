"""Compressed logs, as streams: gzip and zstd."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from recover_trials.errors import MissingReaderError

PIECE = 1 << 20
TRUNCATED = "the compressed data are truncated; all lines before the end were read"
DAMAGED = "the compressed data are damaged; all lines before the damage were read"


def gunzip(chunks: Iterable[bytes], report: Callable[[str], None]) -> Iterator[bytes]:
    """Yield the text of gzip members; call `report` with a sentence about damage."""
    member = zlib.decompressobj(wbits=31)
    fresh = True
    for chunk in chunks:
        data = chunk
        while data:
            if fresh and not (data := data.lstrip(b"\0")):
                break  # padding between members
            fresh = False
            try:
                yield member.decompress(data, PIECE)
            except zlib.error:
                report(DAMAGED)
                return
            data = member.unconsumed_tail
            if member.eof:
                data = member.unused_data
                member, fresh = zlib.decompressobj(wbits=31), True
    if not fresh:
        yield member.flush()
        report(TRUNCATED)


def unzstd(chunks: Iterable[bytes], report: Callable[[str], None]) -> Iterator[bytes]:
    """Yield the text of zstd frames; call `report` as `gunzip` does.

    Raises MissingReaderError if no package for zstd is installed.
    """
    make, error = zstd_reader()
    frame: Any = make()
    fresh = True
    for chunk in chunks:
        data = chunk
        while data:
            fresh = False
            try:
                yield frame.decompress(data)
            except error:
                report(DAMAGED)
                return
            data = b""
            if frame.eof:
                data, frame, fresh = frame.unused_data, make(), True
    if not fresh:
        report(TRUNCATED)


def zstd_reader() -> tuple[Callable[[], Any], type[Exception]]:
    """Return the constructor of a decompressor, and the error that decompressors raise."""
    try:
        from compression import zstd  # type: ignore[import-not-found]  # from Python 3.14 on
    except ImportError:
        pass
    else:
        return zstd.ZstdDecompressor, zstd.ZstdError
    try:
        import zstandard  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise MissingReaderError("zstd needs a package: pip install zstandard") from None
    return lambda: zstandard.ZstdDecompressor().decompressobj(), zstandard.ZstdError
