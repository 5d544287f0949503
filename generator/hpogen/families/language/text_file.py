"""Digest and size of text files, read when a script is rendered."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from hpo_script.families.language.text import text_files
from hpogen.configuration.yaml_file import shown
from hpogen.errors import DataError

# Path.glob raises one of these for an invalid pattern, depending on the version of Python.
PATTERN_ERRORS = (
    OSError,
    ValueError,
    NotImplementedError,  # an absolute pattern, up to Python 3.12
    AttributeError,
    LookupError,
    RecursionError,
)
MAX_NAMES = 3  # of files without text, in a message


class TextFacts(NamedTuple):
    """Digest, size and number of files of a text."""

    sha256: str
    n_bytes: int
    n_files: int
    left_out: list[Path]  # files that match but hold no text


def read_text_facts(path: Path, pattern: str) -> TextFacts:
    """Return the properties of a file, or of the matching text files of a folder as one text.

    Newlines join the files, which have the same order as in the script. Raises DataError.
    """
    digest, n_bytes = hashlib.sha256(), 0
    try:
        files, others = text_files(path, pattern)
        if not files:
            raise DataError(no_text_message(path, pattern, others))
        for chunk in text_chunks(files):
            digest.update(chunk)
            n_bytes += len(chunk)
    except PATTERN_ERRORS as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{shown(str(path), 200)}: cannot be read: {shown(reason, 200)}") from None
    return TextFacts(digest.hexdigest(), n_bytes, len(files), others)


def no_text_message(path: Path, pattern: str, others: Sequence[Path]) -> str:
    """Return the message about a path without text."""
    name = shown(str(path), 200)
    if others:
        return (
            f"{name}: no text in the files that match {shown(pattern)}: {names_of(others, path)}"
        )
    return (
        f"{name}: no such file, or no file {shown(pattern)} in it. Give any text file or folder by"
        " --data; `hpogen demo-data stdlib` writes the sources of Python's standard library."
    )


def names_of(files: Sequence[Path], folder: Path) -> str:
    """Return the first names of some files, and the number of the others."""
    names = [shown(file.relative_to(folder).as_posix()) for file in files[:MAX_NAMES]]
    more = f" and {len(files) - MAX_NAMES:,} more" if len(files) > MAX_NAMES else ""
    return ", ".join(names) + more


def text_chunks(files: Sequence[Path]) -> Iterator[bytes]:
    """Yield the bytes of files joined by newlines, in chunks."""
    for number, file in enumerate(files):
        if number:
            yield b"\n"
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                yield chunk
