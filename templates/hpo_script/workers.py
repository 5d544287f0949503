"""Workers: processes that share a study on one machine, each trial owned by one of them.

A worker holds a file lock as long as it lives, which the system frees however it dies; whoever
finds the lock free may go on with its trials. Where its lock cannot be seen, on another machine or
in a container with temporary files of its own, nobody may.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage

from hpo_script.experiment import UnusableError
from hpo_script.stops import Interrupted
from hpo_script.storage import FileLock, file_of, lock_folder

MACHINE_ID = Path("/etc/machine-id")  # tells machines of one name apart
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # and one start of a machine from the next
KEPT_FRESH = 3600  # seconds; old files are cleared from folders of temporary files


def read_id(path: Path) -> str:
    """Return a digest of what a file of the system says, which is confidential; "" if none."""
    content = path.read_bytes().strip() if path.exists() else b""
    unset = content in (b"", b"uninitialized")  # an image that was never started
    return "" if unset else hashlib.sha256(content).hexdigest()[:12]


class Workers:
    """This process among those that share a study."""

    def __init__(
        self, storage: BaseStorage, study_name: str, url: str, *, take_over: bool
    ) -> None:
        del storage, study_name  # on one machine, files are enough
        self.run, self.take_over = uuid.uuid4().hex[:8], take_over
        self.folder = lock_folder(url)
        self.machine = {"host": platform.node(), "machine_id": read_id(MACHINE_ID)}
        place = self.folder.stat()
        # Locks beside a file are seen by all who see that; others only by who has this folder.
        locks = "" if file_of(url) else f"{place.st_dev}:{place.st_ino}"
        self.here = {"boot": read_id(BOOT_ID) or platform.node(), "locks": locks}
        self.alone = FileLock(str(self.folder / "round"))
        self.alive = FileLock(str(self.folder / self.run))
        self.gone: set[str] = set()  # runs whose locks were there and free
        with self.round():
            for path in self.folder.glob("*.lock"):
                self.has_ended(path.stem)  # then its file goes
            self.alive.acquire()

    @contextmanager
    def round(self) -> Iterator[None]:
        """Keep all other workers waiting: what is counted and then done stays true."""
        self.alone.acquire()
        try:
            yield
        finally:
            self.alone.release()

    def confirm(self) -> None:
        """Raise Interrupted if others may take this process for dead: its lock cannot be seen."""
        known = os.fstat(self.alive.file)
        if known.st_nlink == 0:
            raise Interrupted(f"somebody has deleted a lock in {self.folder}", 2)
        if time.time() - known.st_mtime > KEPT_FRESH:
            os.utime(self.alive.file)

    def owner(self) -> dict[str, Any]:
        """Return what a trial of this process is marked with."""
        return {**self.machine, **self.here, "run": self.run}

    def is_free(self, owner: Mapping[str, Any] | None) -> bool:
        """Tell, within a round, whether the process that owns a running trial is gone.

        Raises UnusableError where nobody can tell.
        """
        if owner is None or owner.get("run") == self.run:
            return True  # nobody could mark it, or this process could not reach the storage
        ended = self.has_ended(f"{owner.get('run')}")
        if ended is False:
            return False  # wherever it is, its lock is held
        # A lock that is not there is of a run that left, or of a folder that cannot be seen. One
        # that is there and free tells enough: a name may change while the machine runs.
        named = self.machine if ended is None else {}
        if {**named, **self.here}.items() <= owner.items():
            return True
        restarted = owner.get("boot") != self.here["boot"] and self.machine["machine_id"]
        if self.take_over or (restarted and self.machine.items() <= owner.items()):
            return True
        whose = f"run {owner.get('run')} on {owner.get('host')}"
        raise UnusableError(
            f"{whose} has a trial of this study, and from here nobody can see whether it lives. If"
            " it is gone for good, --take-over goes on with the trial. To work in several places"
            " at once takes scripts rendered --with multi-host"
        )

    def has_ended(self, run: str) -> bool | None:
        """Tell by its lock whether a process of this machine has ended; None: it has none."""
        if not re.fullmatch("[0-9a-f]{8}", run):
            return None  # another lock; nor may what a storage says lead out of the folder
        name = self.folder / run
        path, lock = name.with_suffix(".lock"), FileLock(str(name))
        if not path.exists():
            return True if run in self.gone else None
        if not lock.acquire(wait=False):
            return False
        path.unlink()
        self.gone.add(run)
        lock.release()
        return True

    def leave(self) -> None:
        """End: none of the trials is this process's any more."""
        self.folder.joinpath(f"{self.run}.lock").unlink(missing_ok=True)
        self.alive.release()
