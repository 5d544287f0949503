"""Text files, read when rendering: their digest, or what is wrong and where."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from hpogen.errors import DataError
from hpogen.yaml_file import shown

# Raised by Path.glob for invalid patterns, by version; the last for thousands of parts.
PATTERN_ERRORS = (
    *(OSError, ValueError, NotImplementedError, AttributeError, LookupError),
    RecursionError,
)


def read_text_digest(path: Path, pattern: str) -> str:
    """Return the SHA-256 of a file, or of a folder's files that match, joined by newlines.

    Raises DataError. The files are those of the script, in its order: by their paths.
    """
    digest = hashlib.sha256()
    try:
        for chunk in text_chunks(path, pattern):
            digest.update(chunk)
    except PATTERN_ERRORS as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{shown(str(path), 200)}: cannot be read: {shown(reason, 200)}") from None
    return digest.hexdigest()


def text_chunks(path: Path, pattern: str) -> Iterator[bytes]:
    """Yield the bytes of a text, in pieces. Raises DataError where there is none."""
    if path.is_file():
        files = [path]
    else:
        files = sorted(file for file in path.glob(pattern) if file.is_file())
    if not files:
        raise DataError(
            f"{shown(str(path), 200)}: no such file, or no file {shown(pattern)} in it. Give any"
            " text file or folder by --data; `hpogen demo-data stdlib` writes the sources of"
            " Python's standard library."
        )
    for number, file in enumerate(files):
        if number:
            yield b"\n"
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                yield chunk
