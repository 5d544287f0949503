"""Workers: processes that share a study on one machine, each trial owned by one of them.

A worker holds a file lock as long as it lives, which the system frees however it dies; whoever
finds the lock free may go on with its trials. Machines are told apart by name and boot.
"""

from __future__ import annotations

import platform
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from optuna.storages import BaseStorage

from hpo_script.storage import FileLock, lock_folder


def boot_id() -> str:
    """Return what tells one start of this machine from the next, "" where nothing does."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


class Workers:
    """This process among those that share a study."""

    def __init__(
        self, storage: BaseStorage, study_name: str, url: str, *, take_over: bool
    ) -> None:
        del storage, study_name  # on one machine, files are enough
        self.run, self.take_over = uuid.uuid4().hex[:8], take_over
        self.folder = lock_folder(url)
        self.machine = {"host": platform.node(), "boot": boot_id()}
        self.alone = FileLock(str(self.folder / "round"))
        self.alive = FileLock(str(self.folder / self.run))
        with self.round():
            for path in self.folder.glob("*.lock"):
                if path.stem not in ("round", "journal"):
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
        """Raise Interrupted if others may take this process for dead; its lock tells them."""

    def owner(self) -> dict[str, Any]:
        """Return what a trial of this process is marked with."""
        return {**self.machine, "run": self.run}

    def is_free(self, owner: Mapping[str, Any] | None) -> bool:
        """Tell, within a round, whether the process that owns a running trial is gone."""
        if owner is None or owner["run"] == self.run:
            return True  # nobody could mark it, or this process could not reach the storage
        if owner["host"] != self.machine["host"]:
            return self.take_over
        return owner["boot"] != self.machine["boot"] or self.has_ended(owner["run"]) is not False

    def has_ended(self, run: str) -> bool | None:
        """Tell by its lock whether a process of this machine has ended; None: it has none."""
        name = self.folder / run
        path, lock = name.with_suffix(".lock"), FileLock(str(name))
        if not path.exists():
            return None
        if not lock.acquire(wait=False):
            return False
        path.unlink()
        lock.release()
        return True

    def leave(self) -> None:
        """End: none of the trials is this process's any more."""
        self.folder.joinpath(f"{self.run}.lock").unlink(missing_ok=True)
        self.alive.release()
