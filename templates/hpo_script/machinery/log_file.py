"""Log file: opened by the script itself, each line appended by one write."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from hpo_script.trial_log import defused, format_event, time_stamp


def open_closed_streams() -> None:
    """Open to nothing what is closed of 0, 1 and 2: else files of the study get these numbers."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    sys.stderr = sys.stderr or io.StringIO()


def say(text: str, end: str = "\n") -> None:
    """Print to stderr; a closed terminal must not end the run."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        sys.stderr = io.StringIO()


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk: a power failure may undo new ones."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class TrialLog:
    """The log of one run; `study` and `run` stand on every line."""

    def __init__(self, path: Path, *, study: str, run: str) -> None:
        self.path, self.identity = path, {"study": study, "run": run}
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
        with suppress(OSError):  # not every kind of folder can
            sync_folder(path.parent)
        self.unwritten = b""
        size = os.fstat(self.file).st_size
        if size and os.pread(self.file, 1, size - 1) != b"\n":
            self.append("")  # a run was killed within a line

    def numbers(self, head: str) -> set[int]:
        """Return the number that `head` has a group for, of all lines of this study it begins."""
        content = os.pread(self.file, os.fstat(self.file).st_size, 0)
        study, mark = self.identity["study"], "[0-9a-f]" * 8
        stamp = r"(?m)^\[[A-Z] [^]\n]{23}\] "  # a text within a line may look like a head
        line = rf'{stamp}{head}.*study="{study}", run="\w+" ;{mark}\n'
        return {int(number) for number in re.findall(line.encode(), content)}

    def write(self, event: str, fields: Mapping[str, object], *, level: str = "I") -> None:
        """Append one event of LOG_EVENTS."""
        now = datetime.now()
        self.append(format_event(event, {**fields, **self.identity}, time=now, level=level))

    def write_plain(self, message: str, *, level: str = "I") -> None:
        """Append a line as Optuna's own logger would write it."""
        self.append(time_stamp(datetime.now(), level) + defused(message, "("))

    def append(self, line: str) -> None:
        """Write a line; a full disk is said and survived, and the line written with the next."""
        rest = lines = self.unwritten + f"{line}\n".encode()
        try:
            while rest:  # twice only if the disk fills up within the line
                rest = rest[os.write(self.file, rest) :]
            self.unwritten = b""
        except OSError as error:
            self.unwritten = lines if rest == lines else b"\n" + lines
            say(f"log: {error.strerror}; not in the file: {line}")

    def sync(self) -> None:
        """Wait until the lines are on the disk."""
        with suppress(OSError):  # not every kind of file can
            os.fsync(self.file)
