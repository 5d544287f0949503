"""Take the lock of a worker, then become the script, under the same process number.

A POSIX lock belongs to a process and survives exec, so the script holds it until it ends, also
after its runner was killed, and also on NFSv4. No process number is written before the lock is
held: a file that names a process is believed only while it is locked.

    python -I -S worker_lock.py LOCK SLOT COMMAND…
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import sys
import time

BUSY = 79  # exit code: another process holds the lock
TRIES = 50  # a runner that looks whether a lock is held, holds it itself for an instant


def is_taken(file: int) -> bool:
    """Lock a file; return whether that succeeded, after a short wait if it did not."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        time.sleep(0.02)
        return False
    return True


def hold(lock: str, slot: str, command: list[str]) -> None:
    """Lock a file, name this process in it, and run the command in its place."""
    file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    if not any(is_taken(file) for _ in range(TRIES)):
        sys.exit(BUSY)
    about = {"process": os.getpid(), "host": platform.node(), "slot": slot}
    os.ftruncate(file, 0)  # the process of an earlier lock must never be taken for this one
    with contextlib.suppress(OSError):  # a full disk: the lock holds without the text
        os.write(file, json.dumps(about).encode())
    os.set_inheritable(file, True)
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    hold(sys.argv[1], sys.argv[2], sys.argv[3:])
