"""Keep a server until stdin is closed; then end it and its descendants, and remove its folder.

Stdin is a pipe from the tests, which is closed when they end in any way, even killed. Linux only:
elsewhere, processes that the server leaves behind are not found.

    python -I keeper.py FOLDER COMMAND…
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys

import psutil

PR_SET_CHILD_SUBREAPER = 36
SECONDS_TO_END = 20  # after an interrupt; then it is killed


def adopt() -> None:
    """Become the parent of descendants whose own parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants() -> None:
    """Kill all descendants; those of a killed process become children of this one."""
    with contextlib.suppress(ChildProcessError):  # there are no more
        while True:
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            os.waitpid(-1, 0)


def keep(folder: str, command: list[str]) -> None:
    """Run a command in a folder until stdin is closed or the command ends."""
    adopt()
    server = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL)
    while server.poll() is None and not select.select([sys.stdin], [], [], 0.1)[0]:
        pass
    server.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(SECONDS_TO_END)
    end_descendants()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    keep(sys.argv[1], sys.argv[2:])
