"""Program that takes the lock of a worker, then becomes the script under its process number.

A POSIX lock belongs to a process and survives exec, so the script holds it until it ends, also
after its runner was killed, and also on NFSv4. No process number is written before the lock is
held: the text of a lock file is valid only while the file is locked.

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
TRIES = 50  # a runner that tests whether a lock is held takes it for an instant


def try_lock(file: int) -> bool:
    """Lock a file; return whether that succeeded, after a short wait if it did not."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        time.sleep(0.02)
        return False
    return True


def hold(lock: str, slot: str, command: list[str]) -> None:
    """Lock a file, write this process into it, and replace this process by the command."""
    file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    if not any(try_lock(file) for _ in range(TRIES)):
        sys.exit(BUSY)
    about = {"process": os.getpid(), "host": platform.node(), "slot": slot}
    os.ftruncate(file, 0)  # the process of an earlier lock must never be taken for this one
    with contextlib.suppress(OSError):  # a full disk: the lock holds without the text
        os.write(file, json.dumps(about).encode())
    os.set_inheritable(file, True)
    os.execvp(command[0], command)  # noqa: S606


if __name__ == "__main__":
    hold(sys.argv[1], sys.argv[2], sys.argv[3:])
