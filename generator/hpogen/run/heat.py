"""Heat: scripts pause while the machine is too hot, with the sensors of `--with guards`."""

from __future__ import annotations

import time
from collections.abc import Callable

from hpo_script.sections.guards import LOOK_SECONDS, Reading, hottest, in_words

COOLER = 10.0  # degrees below the limit before the scripts continue


class Heat:
    """The highest temperature, read every few seconds; unknown temperatures pause nothing."""

    def __init__(
        self,
        limit: float | None,
        read: Callable[[], Reading | None] = hottest,
        seconds: float = LOOK_SECONDS,
    ) -> None:
        self.limit, self.read, self.seconds = limit, read, seconds
        self.next_look = 0.0
        self.hot = ""

    def reason(self) -> str:
        """Return why the scripts must pause; empty if they need not."""
        if self.limit is not None and time.monotonic() >= self.next_look:
            self.next_look = time.monotonic() + self.seconds
            found = self.read()
            limit = self.limit - COOLER if self.hot else self.limit
            self.hot = in_words(found) if found and found[0] >= limit else ""
        return self.hot
