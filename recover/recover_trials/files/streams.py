"""Streams of bytes from paths and open streams, decompressed and in UTF-8."""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

from recover_trials.files import encoding, recognise_format
from recover_trials.files.blocks import BLOCK, file_chunks
from recover_trials.skipped_lines import Findings

if TYPE_CHECKING:
    Source = str | os.PathLike[str] | IO[Any] | Iterable[bytes]

PATH = (str, os.PathLike)
HEAD = 4096  # bytes that show a format
DEEPEST = 4  # nested compressions and encodings


def open_source(source: Source) -> Any:
    """Return a context with the stream of a path; the context does not close an open stream."""
    if isinstance(source, PATH):
        return io.FileIO(source)
    return nullcontext(source)


def chunks_of(stream: Any) -> Iterator[bytes]:
    """Yield the bytes of a stream or an iterable; a text stream is encoded in UTF-8."""
    if isinstance(stream, bytes):
        yield stream
        return
    if isinstance(stream, io.FileIO):
        yield from file_chunks(stream)
        return
    if not hasattr(stream, "read"):
        yield from (bytes(chunk) for chunk in stream)
        return
    while chunk := stream.read(BLOCK):
        yield chunk.encode("utf-8", "surrogateescape") if isinstance(chunk, str) else chunk


def take_head(chunks: Iterator[bytes]) -> bytes:
    """Return the first chunks as one, long enough to recognise a format."""
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= HEAD:
            break
    return head


def without_mark(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a text without its byte order mark."""
    yield take_head(chunks).removeprefix(codecs.BOM_UTF8)
    yield from chunks


def unwrapped(chunks: Iterator[bytes], findings: Findings) -> Iterator[bytes]:
    """Return the decompressed text in UTF-8."""
    for _ in range(DEEPEST):
        head = take_head(chunks)
        chunks = chain([head], chunks)
        if head.startswith((recognise_format.GZIP, recognise_format.ZSTD)):
            from recover_trials.files import compression

            zipped = head.startswith(recognise_format.GZIP)
            unpack = compression.gunzip if zipped else compression.unzstd
            chunks = unpack(chunks, findings.problems.append)
        elif name := encoding.encoding_of(head):
            chunks = encoding.to_utf8(chunks, name)
        else:
            break
    return chunks
