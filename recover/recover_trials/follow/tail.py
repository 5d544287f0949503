"""The tail of a growing file, which may be missing at first, cut, or replaced."""

from __future__ import annotations

import codecs
import os
from datetime import datetime
from pathlib import Path
from typing import IO

from recover_trials.errors import UnreadableError
from recover_trials.files import encoding, recognise_format
from recover_trials.files.blocks import LONGEST_LINE

PIECE = 4 << 20
HEAD = 64  # bytes at the beginning, by which a rewritten file is recognised
COMPRESSED = "a compressed file does not grow; read it without --follow"


class Tail:
    """Reads the lines that were appended since the last read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: IO[bytes] | None = None
        self.identity: tuple[int, int] | None = None
        self.offset = 0
        self.restart()

    def restart(self) -> None:
        """Continue at the beginning of the file."""
        self.offset, self.head, self.rest = 0, b"", b""
        self.decoder: codecs.IncrementalDecoder | None = None

    @property
    def exists(self) -> bool:
        """Whether the file has been opened."""
        return self.file is not None

    def read(self) -> bytes:
        """Return new whole lines, a few megabytes at most; b"" at the end of the file.

        Raises OSError if the file exists and cannot be read.
        """
        if self.file is None and not self.open():
            return b""
        assert self.file is not None  # noqa: S101
        if self.was_rewritten():
            self.restart()
        self.file.seek(self.offset)
        data = self.file.read(PIECE)
        if not data and self.was_replaced() and self.open():
            data = self.file.read(PIECE)
        self.offset += len(data)
        self.head = (self.head + data)[:HEAD] if len(self.head) < HEAD else self.head
        return self.whole_lines(self.decoded(data))

    def changed(self) -> datetime | None:
        """Return the local time of the last write; None if the file never existed."""
        if self.file is None:
            return None
        return datetime.fromtimestamp(os.fstat(self.file.fileno()).st_mtime)  # noqa: DTZ006

    def open(self) -> bool:
        """Open the file at the path; return whether it exists."""
        try:
            file = self.path.open("rb", buffering=0)
        except FileNotFoundError:
            return False
        self.close()
        state = os.fstat(file.fileno())
        self.file, self.identity = file, (state.st_dev, state.st_ino)
        self.restart()
        return True

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None

    def was_replaced(self) -> bool:
        """Return whether another file is at the path, for example after a rotation."""
        try:
            state = self.path.stat()
        except FileNotFoundError:
            return False  # moved away, and not yet replaced
        return (state.st_dev, state.st_ino) != self.identity

    def was_rewritten(self) -> bool:
        """Return whether the file was truncated, and possibly written again."""
        assert self.file is not None  # noqa: S101
        if os.fstat(self.file.fileno()).st_size < self.offset:
            return True
        self.file.seek(0)
        return self.file.read(len(self.head)) != self.head if self.head else False

    def decoded(self, data: bytes) -> bytes:
        """Return text in UTF-8. Raises UnreadableError for a compressed file."""
        if self.offset == len(data) and data:
            if data.startswith((recognise_format.GZIP, recognise_format.ZSTD)):
                raise UnreadableError(COMPRESSED, str(self.path))
            if name := encoding.encoding_of(data[:4096]):
                self.decoder = codecs.getincrementaldecoder(name)("replace")
        if self.decoder is None:
            return data
        return self.decoder.decode(data).encode("utf-8", "replace")

    def whole_lines(self, data: bytes) -> bytes:
        """Return the whole lines; keep the rest until its line ends."""
        text = self.rest + data
        end = text.rfind(b"\n") + 1 or text.rfind(b"\r", 0, -1) + 1
        if not end and len(text) > LONGEST_LINE:
            end = len(text)
        self.rest = text[end:]
        return text[:end]
