"""Log file: the study, shared by its workers, and the locks that say which worker is alive.

A round holds the lock of the log: a worker reads what others wrote, decides, appends its own lines
and waits until they are on the disk. The log is opened anew for each round and locked through the
descriptor that writes, on a byte far behind its end: on NFS, other ways lost lines. Trial n is
locked by byte 1 + n of a second file, as long as a process works on it. The system frees the locks
of a process that dies, whatever ends it.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from hpo_script.experiment.shared import UnusableError
from hpo_script.machinery.log_lines import format_event, read_event
from hpo_script.machinery.logged_study import LoggedStudy

ROUND_BYTE = 1 << 40


def say(text: str, end: str = "\n") -> None:
    """Print to stderr; a closed terminal must not end the run."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        sys.stderr = io.StringIO()


class Interrupted(BaseException):
    """The run must end, for `reason`, with the exit code `code`."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code


class LogFile:
    """The log, and the study that its lines describe so far."""

    def __init__(self, path: Path, run: str = "") -> None:
        self.path, self.run, self.study = path, run, LoggedStudy()
        self.position, self.line_number = 0, 0  # of what was read
        self.pending = b""  # lines for the next round
        self.damaged: list[int] = []  # numbers of lines that were refused

    def open(self) -> None:
        """Create the log and its lock file, whose descriptor stays: closing frees all locks."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock_path = self.path.with_name(f"{self.path.name}.lock")
        self.locks = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o666)
        self.path.touch()
        for folder in self.path.absolute().parents[:2]:  # the names, too, must be on the disk
            handle = os.open(folder, os.O_RDONLY)
            with suppress(OSError):  # some network disks cannot
                os.fsync(handle)
            os.close(handle)
        self.inode = self.path.stat().st_ino

    @contextmanager
    def round(self) -> Iterator[LoggedStudy]:
        """Hold the lock of the log; give the study up to date, then append the pending lines.

        Lines that do not fit on the disk stay pending. Any other OSError ends the run: after a
        failed write, the content of the file is uncertain.
        """
        try:
            with self.path.open("r+b") as file:
                fcntl.lockf(file, fcntl.LOCK_EX, 1, ROUND_BYTE)
                found, locks = os.fstat(file.fileno()), os.fstat(self.locks)
                same = found.st_ino == self.inode and found.st_size >= self.position
                if not (same and locks.st_nlink):  # other runs would not see the locks of this one
                    raise Interrupted(f"{self.path} or its .lock file was replaced in this run", 2)
                self.take(file)
                if self.damaged and not self.study.study_id:
                    raise UnusableError(f"{self.path} is no log of a script; give another --log")
                yield self.study
                self.append(file)
        except OSError as error:
            raise Interrupted(f"{self.path}: {error.strerror}", 2) from error

    def take(self, file: BinaryIO) -> None:
        """Take the whole lines behind the position."""
        file.seek(self.position)
        for line in file:
            if not line.endswith(b"\n"):
                break  # its end may follow
            self.position += len(line)
            self.line_number += 1
            if event := read_event(line[:-1]):
                self.study.take(*event)
            elif line.strip(b"\0 \r\n"):
                self.damaged.append(self.line_number)

    def append(self, file: BinaryIO) -> None:
        """Append the pending lines, all or none, and wait until they are on the disk."""
        if not self.pending:
            return
        size = file.seek(0, os.SEEK_END)
        torn = size > self.position  # a line without its end: power or a disk failed within it
        block = b"\n" * torn + self.pending
        try:
            if os.write(file.fileno(), block) < len(block):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            os.ftruncate(file.fileno(), size)
            say(f"{self.path}: no space left; this run waits until it can write its lines")
            return
        os.fsync(file.fileno())
        self.pending = b""
        self.take(file)

    def write(self, event: str, fields: Mapping[str, object], *, level: str = "I") -> None:
        """Add an event to the lines of the next round."""
        fields = {**fields, "study": self.study.study_id, "run": self.run}
        line = format_event(event, fields, time=datetime.now(), level=level)
        self.pending += line.encode() + b"\n"

    def report_damage(self) -> None:
        """Report the lines that were refused since the last report."""
        if self.damaged:
            numbers = ", ".join(map(str, self.damaged[:20])) + ", …" * (len(self.damaged) > 20)
            say(f"warning: {self.path}: damaged lines {numbers} are ignored")
            self.damaged.clear()

    def lock_trial(self, number: int) -> bool:
        """Lock a trial until this process ends; return False if another process has it."""
        try:
            fcntl.lockf(self.locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 1 + number)
        except (BlockingIOError, PermissionError):
            return False
        return True


def read_log(path: Path) -> LogFile:
    """Return a log as it is now, without any lock; an empty one if the file is missing."""
    log = LogFile(path)
    if path.exists():
        with path.open("rb") as file:
            log.take(file)
    return log
