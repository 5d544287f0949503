"""Log file: the study, shared by its workers, and the locks that say which worker is alive.

A round holds the lock of the log: a worker reads what others wrote, decides, appends its own lines
and waits until they are on the disk. The log is opened anew for each round and locked through the
descriptor that writes, on a byte far behind its end: on NFS everything else lost lines. Trial n is
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

from hpo_script.machinery.logged_study import LoggedStudy
from hpo_script.machinery.trial_log import format_event, read_event

ROUND_BYTE = 1 << 40


def say(text: str, end: str = "\n") -> None:
    """Print to stderr; a closed terminal must not end the run."""
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        sys.stderr = io.StringIO()


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the folder's kind can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


class Interrupted(BaseException):
    """The run must end: why, and its exit code."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code


class LogFile:
    """The log, and the study that its lines describe so far."""

    def __init__(self, path: Path, run: str) -> None:
        self.path, self.run, self.study = path, run, LoggedStudy()
        self.position, self.line_number = 0, 0  # of what was read
        self.pending = b""  # lines for the next round
        self.damaged: list[int] = []  # numbers of lines that were refused
        self.inode: int | None = None
        self.lock_path = path.with_name(f"{path.name}.lock")
        self.locks = -1  # opened with the first round, and kept: closing would free all locks

    @contextmanager
    def round(self) -> Iterator[LoggedStudy]:
        """Hold the lock of the log; give the study up to date, then append the pending lines.

        Lines that do not fit on the disk stay pending. Any other OSError ends the run: after a
        failed write, nobody can say what the file has.
        """
        try:
            file = self.open()
            try:
                fcntl.lockf(file, fcntl.LOCK_EX, 1, ROUND_BYTE)
                self.check_files(file)
                self.take(os.pread(file, os.fstat(file).st_size - self.position, self.position))
                yield self.study
                self.append(file)
            finally:
                os.close(file)
        except OSError as error:
            hint = "; use a disk with working locks" if error.errno == errno.ENOLCK else ""
            raise Interrupted(f"{self.path}: {error.strerror}{hint}", 2) from error

    def open(self) -> int:
        """Return a new descriptor of the log; create it only at the start of the run."""
        flags = os.O_RDWR | os.O_APPEND
        if self.inode is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.locks = os.open(self.lock_path, os.O_RDWR | os.O_CREAT, 0o666)
            flags |= os.O_CREAT
        return os.open(self.path, flags, 0o666)

    def check_files(self, file: int) -> None:
        """Refuse a log or lock file that was deleted or replaced while this run used it."""
        log, locks = os.fstat(file), os.fstat(self.locks)
        if self.inode is None:
            self.inode = log.st_ino
            sync_folder(self.path.parent)
        if log.st_ino != self.inode or log.st_size < self.position:
            raise Interrupted(f"{self.path} was replaced while this run used it", 2)
        if not (self.lock_path.exists() and self.lock_path.stat().st_ino == locks.st_ino):
            raise Interrupted(f"{self.lock_path} was deleted while this run used it", 2)

    def take(self, block: bytes) -> None:
        """Take whole lines; an unfinished last line waits for its end."""
        *lines, _ = block.split(b"\n")
        for line in lines:
            self.position += len(line) + 1
            self.line_number += 1
            if event := read_event(line):
                self.study.take(*event)
            elif line.strip(b"\0 \r"):
                self.damaged.append(self.line_number)

    def append(self, file: int) -> None:
        """Append the pending lines, all or none."""
        size = os.fstat(file).st_size
        if not self.pending:
            return
        if size > self.position:  # a line without its end: power or a disk failed within it
            self.pending = b"\n" + self.pending
        rest = self.pending
        try:
            while rest:
                rest = rest[os.write(file, rest) :]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            os.ftruncate(file, size)
            say(f"{self.path}: no space left; lines wait, and this run with them")
            return
        os.fsync(file)
        self.take(os.pread(file, size - self.position, self.position) + self.pending)
        self.pending = b""

    def write(self, event: str, fields: Mapping[str, object], *, level: str = "I") -> None:
        """Add an event to the lines of the next round."""
        fields = {**fields, "study": self.study.study_id, "run": self.run}
        line = format_event(event, fields, time=datetime.now(), level=level)
        self.pending += line.encode() + b"\n"

    def report_damage(self) -> None:
        """Say which lines were refused since the last report."""
        if self.damaged:
            numbers = ", ".join(map(str, self.damaged[:20])) + (", …" * (len(self.damaged) > 20))
            say(f"warning: {self.path}: damaged lines {numbers} are ignored")
            self.damaged.clear()

    def lock_trial(self, number: int) -> bool:
        """Lock a trial for this process; return False if another process has it."""
        try:
            fcntl.lockf(self.locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 1 + number)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def unlock_trial(self, number: int) -> None:
        """Free a trial."""
        fcntl.lockf(self.locks, fcntl.LOCK_UN, 1, 1 + number)


def read_log(path: Path) -> LogFile:
    """Return a log as it is now, without any lock; an empty one where there is no file."""
    log = LogFile(path, "")
    log.take(path.read_bytes() + b"\n" if path.exists() else b"")
    return log
