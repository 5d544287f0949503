"""Progress bar for large logs on a terminal: megabytes per second and the time left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LARGE = 64_000_000  # bytes, about half a second of reading


def size_of(names: tuple[str, ...]) -> int:
    """Return the size of the files in bytes; the size of standard input is unknown."""
    paths = [Path(name) for name in names if name != "-"]
    return sum(path.stat().st_size for path in paths if path.is_file())


@contextmanager
def progress_of(names: tuple[str, ...]) -> Iterator[Callable[[int], None] | None]:
    """Yield a function that takes the number of bytes read; None for small logs or no terminal."""
    total = size_of(names)
    if total < LARGE or not sys.stderr.isatty():
        yield None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with progress.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda count: bar.update(task, advance=count)
