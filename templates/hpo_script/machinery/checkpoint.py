"""Checkpoint: a trial in training, from which another run can continue.

`Search.next_trial` decides whether a trial resumes. torch saves a zip archive with a checksum of
each tensor. A torn or altered file is ignored, and its trial starts again.
"""

from __future__ import annotations

import os
import time
import uuid
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import torch

from hpo_script.machinery.log_file import say


def replace_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Replace a file by one that is already on the disk, so that no reader sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class Checkpoint:
    """The file of one trial; only the trial with the same key continues from it."""

    def __init__(self, path: Path, key: str, *, minutes: float) -> None:
        self.path, self.key, self.minutes = path, key, minutes
        self.since, self.cost = time.monotonic(), 0.0

    def due(self) -> bool:
        """Return whether to save: every `minutes`, but for at most 1 % of the time."""
        wait = max(60 * self.minutes, 100 * self.cost) if self.minutes else 0
        return time.monotonic() - self.since >= wait

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the file; report an error, such as a full disk, and keep the last file."""
        began = time.monotonic()
        try:
            replace_file(self.path, lambda file: torch.save({**state, "key": self.key}, file))
        except (OSError, RuntimeError) as error:  # torch's writer raises RuntimeError
            say(f"checkpoint not written: {error}")
        self.since = time.monotonic()
        self.cost = self.since - began

    def load(self) -> dict[str, Any] | None:
        """Return the state; None without an intact file of this trial."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                # torch reads nothing of a record that is marked as a folder.
                if archive.testzip() or any(found.external_attr for found in archive.infolist()):
                    raise ValueError("the checkpoint is damaged")
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except Exception as error:  # zipfile and torch raise many kinds for a damaged file
            say(f"{self.path}: {str(error)[:200]}; its trial starts again")
            return None
        return state if state["key"] == self.key else None

    def remove(self) -> None:
        """Delete the file, and parts of it that a killed process left."""
        for path in (self.path, *self.path.parent.glob(f".{self.path.name}.*.part")):
            path.unlink(missing_ok=True)
