"""Text files, read when rendering: their digest and size, or what is wrong and where."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from hpo_script.families.language.text import text_files
from hpogen.configuration.yaml_file import shown
from hpogen.errors import DataError

# Raised by Path.glob for invalid patterns, by version of Python.
PATTERN_ERRORS = (
    OSError,
    ValueError,
    NotImplementedError,  # an absolute pattern, up to Python 3.12
    AttributeError,
    LookupError,
    RecursionError,
)
MOST_NAMES = 3  # of files that are left out


class TextFacts(NamedTuple):
    """Digest and size of a text, and how many files it has."""

    sha256: str
    n_bytes: int
    n_files: int
    left_out: list[Path]  # files that match but hold no text


def read_text_facts(path: Path, pattern: str) -> TextFacts:
    """Return the facts about a file, or a folder's text files that match, joined by newlines.

    Raises DataError. The files are those of the script, in its order.
    """
    digest, n_bytes = hashlib.sha256(), 0
    try:
        files, others = text_files(path, pattern)
        if not files:
            raise DataError(no_text(path, pattern, others))
        for chunk in text_chunks(files):
            digest.update(chunk)
            n_bytes += len(chunk)
    except PATTERN_ERRORS as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{shown(str(path), 200)}: cannot be read: {shown(reason, 200)}") from None
    return TextFacts(digest.hexdigest(), n_bytes, len(files), others)


def no_text(path: Path, pattern: str, others: Sequence[Path]) -> str:
    """Return the fault of a path without text."""
    name = shown(str(path), 200)
    if others:
        return f"{name}: no text in {names_of(others, path)}, which {shown(pattern)} matches"
    return (
        f"{name}: no such file, or no file {shown(pattern)} in it. Give any text file or folder by"
        " --data; `hpogen demo-data stdlib` writes the sources of Python's standard library."
    )


def names_of(files: Sequence[Path], folder: Path) -> str:
    """Return the names of the first of some files, and how many more there are."""
    names = [shown(file.relative_to(folder).as_posix()) for file in files[:MOST_NAMES]]
    more = f" and {len(files) - MOST_NAMES:,} more" if len(files) > MOST_NAMES else ""
    return ", ".join(names) + more


def text_chunks(files: Sequence[Path]) -> Iterator[bytes]:
    """Yield the bytes of files joined by newlines, in pieces."""
    for number, file in enumerate(files):
        if number:
            yield b"\n"
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                yield chunk
