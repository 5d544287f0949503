"""Reading logs: bytes to lines to events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from recover_trials import optuna_lines, own_log
from recover_trials.table import Fold, Recovery

BLOCK = 256 * 1024
LONGEST_LINE = 64 * BLOCK
ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def read_trials(
    sources: Iterable[str | Path | BinaryIO], unreadable: dict[str, OSError] | None = None
) -> Recovery:
    """Return the studies that logs tell of.

    Sources are paths or binary streams, in the order of their runs. One that cannot be read is
    put into `unreadable`; without that it raises OSError.
    """
    fold, problems = Fold(), []
    for source in sources:
        is_path = isinstance(source, (str, Path))
        name = str(source if is_path else getattr(source, "name", "stream"))
        try:
            with open_source(source) as stream:
                damaged = read_stream(stream, name, fold)
        except OSError as error:
            if unreadable is None:
                raise
            unreadable[name] = error
            continue
        if damaged:
            problems.append(f"{name}: damaged lines left out: {damaged}")
    return Recovery([study for study in fold.studies.values() if study.trials], problems)


def open_source(source: str | Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    """Open a path; a stream is left open afterwards, as it was."""
    return Path(source).open("rb") if isinstance(source, (str, Path)) else nullcontext(source)


def read_stream(stream: BinaryIO, name: str, fold: Fold) -> int:
    """Fold a stream; return how many lines of ours in it are damaged."""
    fold.open_source(name)
    damaged = 0
    for line in lines_of(stream):
        if "Trial " not in line and "Run " not in line and " study " not in line:
            continue
        text = ANSI.sub("", line)
        events, bad, rest = own_log.read_line(text)
        damaged += bad
        for event in events:
            fold.add(event)
        for said in optuna_lines.read_line(rest):
            if isinstance(said, optuna_lines.Result):
                fold.add_result(said)
            else:
                fold.open_study(said)
    return damaged


def lines_of(stream: BinaryIO) -> Iterator[str]:
    """Yield the lines of a stream, also those ended by a carriage return, in constant memory.

    What has no line end for megabytes (a hole full of zeros after a crash) is cut.
    """
    parts: list[bytes] = []  # of the line that goes on in the next block
    while block := stream.read(BLOCK):
        first, *others = re.split(rb"[\r\n]+", block)
        parts.append(first)
        if others or len(parts) == LONGEST_LINE // BLOCK:
            for line in (b"".join(parts), *others[:-1]):
                yield line.decode("utf-8", "replace")
            parts = others[-1:]
    if parts:
        yield b"".join(parts).decode("utf-8", "replace")
