"""Text: the bytes of a file, or of all text files of a folder in the order of their paths."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Stretches(NamedTuple):
    """Where the bytes for training and for validation begin, and how many there are."""

    train_from: int
    n_train: int
    val_from: int
    n_val: int


def text_files(path: Path, pattern: str) -> tuple[list[Path], list[Path]]:
    """Return the files of a text, and files that match but hold a byte of 0: those are no text.

    Of a folder, hidden files and those in hidden folders are left out.
    """
    if path.is_file():
        return [path], []
    found = sorted(file for file in path.glob(pattern) if file.is_file())
    seen = [f for f in found if not any(p.startswith(".") for p in f.relative_to(path).parts)]
    others = [file for file in seen if is_binary(file)]
    return [file for file in seen if file not in {*others}], others


def is_binary(file: Path) -> bool:
    """Return whether one of the first bytes of a file is 0."""
    with file.open("rb") as stream:
        return b"\0" in stream.read(8192)


def stretches(n_bytes: int, splits: Mapping[str, Any], context_length: int) -> Stretches:
    """Return the contiguous stretches of a text; validation is whole windows."""
    val_from = int(n_bytes * splits["train_fraction"])
    n_train = int(val_from * splits["train_subset"])
    most = min(int(n_bytes * splits["val_fraction"]), splits["val_bytes"] + 1)
    n_val = max(most - 1, 0) // context_length * context_length  # one more, for the last target
    return Stretches(val_from - n_train, n_train, val_from, n_val)


def too_small(n_bytes: int, found: Stretches, context_length: int) -> str | None:
    """Return how a text is too small, None if it is large enough."""
    needed = 100 * context_length
    if min(found.n_val, found.n_train) >= needed:
        return None
    return (
        f"{n_bytes:,} bytes leave {found.n_train:,} for training and {found.n_val:,} for"
        f" validation; at least {needed:,} of each are needed"
    )
