"""Checkpoint: a trial in training, from which another run can continue.

The file ends in the SHA-256 of everything before it; a torn or altered one is ignored, and its
trial starts again.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import torch

from hpo_script.machinery.log_file import say, sync_folder

DIGEST_BYTES = 32


def replace_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Replace a file by one that is already on the disk, so that no reader sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w+b") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(path.parent)


def digest_of(file: IO[bytes], size: int) -> bytes:
    """Return the SHA-256 of the first `size` bytes, and stop reading there."""
    file.seek(0)
    digest = hashlib.sha256()
    while size > 0 and (block := file.read(min(size, 1 << 20))):
        digest.update(block)
        size -= len(block)
    return digest.digest()


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
        """Replace the file; on a full disk, say so and keep the last one."""
        began = time.monotonic()

        def write(file: IO[bytes]) -> None:
            torch.save({**state, "key": self.key}, file)
            file.write(digest_of(file, file.seek(0, os.SEEK_END)))

        try:
            replace_file(self.path, write)
        except (OSError, RuntimeError) as error:  # torch's writer raises RuntimeError
            say(f"checkpoint not written: {error}")
        self.since = time.monotonic()
        self.cost = self.since - began

    def load(self) -> dict[str, Any] | None:
        """Return the state; None where there is no intact one of this trial."""
        try:
            with self.path.open("rb") as file:
                if digest_of(file, file.seek(0, os.SEEK_END) - DIGEST_BYTES) != file.read():
                    raise ValueError("the checkpoint is damaged")
                file.seek(0)
                state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
            say(f"{self.path}: {str(error)[:200]}; its trial starts again")
            return None
        return state if state["key"] == self.key else None

    def remove(self) -> None:
        """Delete the file, and parts of it that a killed process left."""
        for path in (self.path, *self.path.parent.glob(f".{self.path.name}.*.part")):
            path.unlink(missing_ok=True)
