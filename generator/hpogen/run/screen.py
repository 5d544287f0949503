"""Screen of a runner: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

from rich.console import Console
from rich.live import Live
from rich.text import Text

from hpogen.run.status_table import Row, picture


class Screen:
    """Writes to stderr; a closed terminal does not end the runner."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)
        self.live: Live | None = None
        self.next_time = 0.0
        if self.console.is_terminal:
            self.live = Live(console=self.console, auto_refresh=False, transient=True)

    def drawing(self) -> AbstractContextManager[object]:
        """Return the context in which the table is drawn."""
        return self.live or nullcontext()

    def say(self, text: str) -> None:
        """Write a line with its time."""
        line = f"{datetime.now():%Y-%m-%d %H:%M:%S} {text}"
        try:
            if self.live:
                self.console.print(Text(line), soft_wrap=True)
            else:
                print(line, file=sys.stderr, flush=True)
        except (OSError, ValueError):
            self.live = None

    def show(self, rows: Callable[[], Sequence[Row]]) -> None:
        """Draw the table again, once a second."""
        if self.live and time.monotonic() > self.next_time:
            self.next_time = time.monotonic() + 1.0
            try:
                self.live.update(picture(rows()), refresh=True)
            except (OSError, ValueError):
                self.live = None
