"""Lock of a folder of scripts, so that no script changes while a queue runs it.

A render takes an exclusive lock. A process that runs scripts takes a shared one:

    flock -s .hpogen.lock python hpo_2M_h1.py

The system releases a lock when its process ends, so a lock file that is left blocks nothing. The
file is never removed: another process may have opened it and wait for the lock.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from hpogen.errors import UsageError
from hpogen.files import shown_path

try:
    import fcntl
except ImportError:  # Windows has no flock
    fcntl = None  # type: ignore[assignment]

NAME = ".hpogen.lock"


@contextlib.contextmanager
def folder_lock(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock of a folder. Raises UsageError if another process holds it.

    A folder that cannot be written to is not locked; writing a file to it reports the reason.
    """
    descriptor = open_lock(folder / NAME) if fcntl else None
    if descriptor is None:
        yield
        return
    try:
        take(descriptor, folder, shared)
        sign(descriptor, shared)
        try:
            yield
        finally:
            if not shared:
                clear(descriptor)
    finally:
        os.close(descriptor)


def sign(descriptor: int, shared: bool) -> None:
    """Write the id of this process into the lock file, for the message to other processes."""
    if shared:
        os.lseek(descriptor, 0, os.SEEK_END)
    else:
        clear(descriptor)
    with contextlib.suppress(OSError):  # the file may belong to another user
        os.write(descriptor, f"{os.getpid()}\n".encode())


def clear(descriptor: int) -> None:
    """Empty the lock file."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)


def open_lock(path: Path) -> int | None:
    """Return the open lock file, created if missing; None if it cannot be opened."""
    # Without O_NONBLOCK, opening a pipe of this name would wait for its other end.
    flags = os.O_NOFOLLOW | os.O_NONBLOCK
    with contextlib.suppress(OSError, ValueError):
        path.parent.mkdir(parents=True, exist_ok=True)
    for mode in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):
        if (descriptor := try_open(path, mode | flags)) is not None:
            return descriptor
    return None


def try_open(path: Path, flags: int) -> int | None:
    """Return the open file, None if it cannot be opened. Raises UsageError for a folder."""
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno in (errno.EISDIR, errno.ELOOP, errno.ENXIO):
            raise not_a_file(path) from None
        return None
    except ValueError:  # a NUL in the path
        return None
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise not_a_file(path)


def not_a_file(path: Path) -> UsageError:
    """Return the error about a folder, link or pipe in the place of the lock file."""
    return UsageError(
        f"{shown_path(path)} is not a regular file; remove it, hpogen creates its lock file there"
    )


def take(descriptor: int, folder: Path, shared: bool) -> None:
    """Take the lock without waiting. Raises UsageError."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        pids = holders(folder / NAME)
        holder = f"process {', '.join(map(str, pids))}" if pids else "another process"
        raise UsageError(
            f"{shown_path(folder)} is in use: {holder} holds the lock {shown_path(folder / NAME)};"
            " wait until it ends, or choose another folder"
        ) from None
    except OSError:
        return  # a file system without locks


def holders(path: Path) -> list[int]:
    """Return the ids of the running processes that a lock file lists."""
    try:
        with path.open("rb") as file:
            text = file.read(10_000).decode("ascii", "replace")
    except OSError:
        return []
    pids = {int(line) for line in text.splitlines() if re.fullmatch(r"[1-9][0-9]{0,8}", line)}
    return sorted(filter(runs, pids))


def runs(pid: int) -> bool:
    """Return whether a process runs."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
