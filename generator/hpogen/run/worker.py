"""Workers: processes of scripts, which outlive a killed runner and are found by the next one."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpogen.run import worker_lock
from hpogen.run.script_order import COPIES, LOGS

LOST = 256  # the exit code of another runner's worker is not known


@dataclass
class Worker:
    """A process that runs a script.

    Attributes:
        lock: file that the process holds locked; its name has the name of the script.
        slot: device that it uses.
        process: None if an earlier runner started it.
        told: time of the signal to stop, by the monotonic clock.
        changed: time of the last change of `size`, by the same clock.
        size: bytes of its log and output, as last seen.
    """

    lock: Path
    slot: str
    process: subprocess.Popen[bytes] | None = None
    told: float | None = None
    changed: float = field(default_factory=time.monotonic)
    size: int = -1

    @property
    def script(self) -> str:
        return self.lock.stem.rpartition(".")[0]

    @property
    def group(self) -> int | None:
        """Number of its process group; None if it has ended, or runs on another machine."""
        if self.process:
            return self.process.pid if self.process.returncode is None else None
        about = named_in(self.lock) if is_held(self.lock) else {}
        return about.get("process") if about.get("host") == platform.node() else None

    @property
    def output(self) -> Path:
        return output_of(self.lock)

    def poll(self) -> int | None:
        """Return the exit code, minus the signal that ended it, or LOST; None while it runs."""
        if self.process:
            return self.process.poll()
        return None if is_held(self.lock) else LOST

    def stop(self, number: int) -> None:
        """Send the first signal: the script writes a checkpoint and ends."""
        if self.told is None:
            self.told = time.monotonic()
            self.signal(number)

    def signal(self, number: int) -> None:
        """Send a signal to the whole process group."""
        if group := self.group:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, number)

    def is_late(self, grace: float) -> bool:
        """Return whether it still runs that many seconds after the signal to stop."""
        return self.told is not None and time.monotonic() - self.told > grace

    def silence(self, files: Iterable[Path]) -> float:
        """Return the seconds since one of these files last grew, as seen by this runner."""
        size = sum(map(size_of, files))
        if size != self.size:
            self.size, self.changed = size, time.monotonic()
        return time.monotonic() - self.changed


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def free_lock(script: str, workers: Sequence[Worker]) -> Path:
    """Return the lock file of a script's next worker, the first that none of these has."""
    busy = {worker.lock for worker in workers}
    locks = (COPIES / f"{script}.{number}.lock" for number in range(len(busy) + 1))
    return next(lock for lock in locks if lock not in busy)


def output_of(lock: Path) -> Path:
    """Return where a worker's output goes; further workers of a script have their own files."""
    script, _, number = lock.stem.rpartition(".")
    return LOGS / (f"{script}.out" if number == "0" else f"{script}.{number}.out")


def start(
    lock: Path, slot: str, command: Sequence[str], banner: str, variables: Mapping[str, str]
) -> Worker:
    """Start a process that holds a lock. Raises OSError."""
    holder = [sys.executable, "-I", "-S", worker_lock.__file__, str(lock), slot]
    with output_of(lock).open("ab", buffering=0) as output:
        with contextlib.suppress(OSError):  # a full disk: the script says so itself
            output.write(f"{banner}\n".encode())
        process = subprocess.Popen(
            [*holder, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **variables},
            start_new_session=True,  # signals of the terminal reach the runner alone
        )
    return Worker(lock, slot, process)


def survivors() -> list[Worker]:
    """Return the workers of earlier runners that still run."""
    return [survivor(lock) for lock in sorted(COPIES.glob("*.lock")) if is_held(lock)]


def survivor(lock: Path) -> Worker:
    """Return the worker that holds a lock."""
    return Worker(lock, named_in(lock).get("slot", "auto"))


def named_in(lock: Path) -> dict[str, Any]:
    """Return what the holder of a lock has written; it counts only while the lock is held."""
    try:
        about: dict[str, Any] = json.loads(lock.read_bytes())
    except (OSError, ValueError):
        return {}
    return about


def is_held(lock: Path) -> bool:
    """Return whether a process holds a lock; this process must not hold it itself."""
    try:
        file = os.open(lock, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return True
    finally:
        os.close(file)
    return False


def end_at_once(workers: Iterable[Worker]) -> None:
    """Kill workers; their logs keep everything but the batches since the last checkpoint."""
    for worker in workers:
        worker.signal(signal.SIGKILL)
