"""Envelopes of log collectors, removed from the lines of a log that still grows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from recover_trials.files.log_collectors import DEEPEST, Lines, lines_of, opener_of
from recover_trials.skipped_lines import Findings


class Envelope:
    """One form of envelopes.

    An empty text in place of a line means that the log has no further line yet. The opener passes
    the empty text on and keeps its state until the next line is there.
    """

    def __init__(self, opener: Callable[[Lines, Findings], Lines], findings: Findings) -> None:
        self.waiting: deque[str] = deque()
        self.opened = opener(self.closed(), findings)

    def closed(self) -> Lines:
        while True:
            yield self.waiting.popleft() if self.waiting else ""

    def open(self, block: bytes) -> bytes:
        """Return the text of a block of whole lines."""
        self.waiting.extend(lines_of([block]))
        parts = []
        while (part := next(self.opened)) or self.waiting:
            parts.append(part)
        return "".join(parts).encode("utf-8", "replace")


class OpenedLines:
    """Lines of one log without their envelopes, whose forms the lines show."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.envelopes: list[Envelope] = []
        self.rest = b""

    def read(self, block: bytes, *, may_differ: bool) -> bytes:
        """Return the text of a block of whole lines.

        Args:
            block: the lines as the file has them.
            may_differ: whether the block may show another form than those before.
        """
        for envelope in self.envelopes:
            block = envelope.open(block)
        while may_differ and len(self.envelopes) < DEEPEST:
            opener = opener_of(block.decode("utf-8", "replace"))
            if opener is None:
                break
            self.envelopes.append(Envelope(opener, self.findings))
            block = self.envelopes[-1].open(block)
        return self.whole_lines(block) if self.envelopes else block

    def whole_lines(self, text: bytes) -> bytes:
        """Return the whole lines; keep the rest of a line that several records share."""
        text = self.rest + text
        end = text.rfind(b"\n") + 1
        self.rest = text[end:]
        return text[:end]
