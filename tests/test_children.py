"""Tests leave nothing behind, even when they are killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil

STARTER = """\
import subprocess
import sys
from children import child, kept

# A server whose own child has left its session, and a process without a keeper.
SERVER = "setsid sleep 1000 & echo $! >part; mv part orphan; exec sleep 1000"
with kept(["sh", "-c", SERVER], prefix="kept-") as (folder, keeper):
    plain = subprocess.Popen(child("sleep", "1000"))
    print(folder, keeper.pid, plain.pid, flush=True)
    input()
"""


def runs(process: psutil.Process) -> bool:
    """Return whether a process has not ended."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_processes_and_folders_of_killed_tests_are_gone(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER],
        cwd=Path(__file__).parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout
        folder, *numbers = starter.stdout.readline().split()
        orphan = Path(folder, "orphan")
        while not orphan.exists():
            time.sleep(0.01)
        started = [psutil.Process(int(number)) for number in (*numbers, orphan.read_text())]
        starter.kill()
    while any(map(runs, started)) or Path(folder).exists():
        time.sleep(0.01)
