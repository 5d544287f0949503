"""Reading logs: bytes to lines to events."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from recover_trials import optuna_lines, own_log
from recover_trials.table import Fold, Recovery

BLOCK = 256 * 1024
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def read_trials(sources: Iterable[str | Path | BinaryIO]) -> Recovery:
    """Return the studies that logs tell of.

    Sources are paths or binary streams, in the order of their runs. Raises OSError for a path
    that cannot be read.
    """
    fold, problems = Fold(), []
    for source in sources:
        if isinstance(source, (str, Path)):
            with Path(source).open("rb") as stream:
                damaged = read_stream(stream, str(source), fold)
        else:
            damaged = read_stream(source, getattr(source, "name", "stream"), fold)
        if damaged:
            problems.append(f"{source}: {damaged} damaged lines were left out")
    return Recovery([study for study in fold.studies.values() if study.trials], problems)


def read_stream(stream: BinaryIO, name: str, fold: Fold) -> int:
    """Fold a stream; return how many lines of ours in it are damaged."""
    fold.open_source(name)
    damaged = 0
    for line in lines_of(stream):
        if "Trial " not in line and "Run " not in line and "A new study" not in line:
            continue
        text = ANSI.sub("", line)
        events, bad = own_log.read_line(text)
        damaged += bad
        for event in events:
            fold.add(event)
        if not events and not bad:
            foreign = optuna_lines.parse_line(text)
            if isinstance(foreign, optuna_lines.Result):
                fold.add_result(foreign)
            elif foreign:
                fold.add_created(foreign)
    return damaged


def lines_of(stream: BinaryIO) -> Iterator[str]:
    """Yield the lines of a stream, also those ended by a carriage return, in constant memory."""
    rest = b""
    while block := stream.read(BLOCK):
        *whole, rest = re.split(rb"[\r\n]+", rest + block)
        for line in whole:
            yield line.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")
