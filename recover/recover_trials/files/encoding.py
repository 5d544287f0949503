"""Text in other encodings than UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
ZEROS = {"utf-16-le": 1, "utf-16-be": 0}  # the half of each character that is zero in ASCII


def encoding_of(head: bytes) -> str | None:
    """Return the name of the UTF-16 encoding of a text; None for other encodings.

    A log after a crash can begin with the bytes of a byte order mark: the zeros are required.
    """
    sample = head[: len(head) // 2 * 2]
    half = len(sample) // 2
    for name, side in ZEROS.items():
        zeros, others = sample[side::2].count(0), sample[1 - side :: 2].count(0)
        marked = MARKS.get(sample[:2]) == name
        if half and zeros > (0.2 if marked else 0.6) * half and others < 0.1 * half:
            return name
    return None


def to_utf8(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Yield text in UTF-8; invalid bytes are replaced."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for chunk in chunks:
        yield decoder.decode(chunk).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")
