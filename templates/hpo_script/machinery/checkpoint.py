"""Checkpoint: a trial in training, kept in a file so that another run can go on with it.

The file ends in the SHA-256 of all before it: one that is torn or altered counts as none, and the
trial begins anew under its number.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import torch

from hpo_script.log_writer import say
from hpo_script.results import replace_file

DIGEST_BYTES = 32
SPARING = 100  # writing may take a hundredth of the time


class Checkpoint:
    """The file of one trial; `key` says which trial, so that no other goes on with it."""

    def __init__(self, path: Path, key: str, *, minutes: float) -> None:
        self.path, self.key, self.minutes = path, key, minutes
        self.since, self.cost = time.monotonic(), 0.0

    def due(self) -> bool:
        """Tell whether it is time to write: every `minutes`, less often where writing is slow."""
        wait = max(60 * self.minutes, self.cost * SPARING) if self.minutes else 0
        return time.monotonic() - self.since >= wait

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the file; a full disk is said, and the last checkpoint stays."""
        began = time.monotonic()
        try:
            replace_file(self.path, lambda file: write_sealed(file, {**state, "key": self.key}))
        except (OSError, RuntimeError) as error:  # torch's own writer raises RuntimeError
            say(f"checkpoint not written: {error}")
        self.since = time.monotonic()
        self.cost = self.since - began

    def load(self) -> dict[str, Any] | None:
        """Return what was saved; None where there is nothing, or nothing whole, of this trial."""
        try:
            with self.path.open("rb") as file:
                if not is_sealed(file):
                    say(f"{self.path} is damaged: its trial begins anew")
                    return None
                state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
            what = str(error).partition("\n")[0][:200]
            say(f"{self.path} cannot be read ({what}): its trial begins anew")
            return None
        return state if state["key"] == self.key else None

    def written(self) -> float:
        """Return when the file was written, in seconds since 1970; 0 if there is none."""
        return self.path.stat().st_mtime if self.path.exists() else 0.0

    def remove(self) -> None:
        """Delete the file."""
        for path in (self.path, self.path.with_name(f".{self.path.name}.part")):
            path.unlink(missing_ok=True)


def digest_of(file: IO[bytes], size: int) -> bytes:
    """Return the digest of the first `size` bytes."""
    file.seek(0)
    digest = hashlib.sha256()
    while size > 0 and (block := file.read(min(size, 1 << 20))):
        digest.update(block)
        size -= len(block)
    return digest.digest()


def write_sealed(file: IO[bytes], state: Mapping[str, Any]) -> None:
    """Write a state and its digest."""
    torch.save(state, file)
    digest = digest_of(file, file.seek(0, os.SEEK_END))
    file.seek(0, os.SEEK_END)
    file.write(digest)


def is_sealed(file: IO[bytes]) -> bool:
    """Tell whether a file is whole and unaltered; leave it at its beginning."""
    size = file.seek(0, os.SEEK_END) - DIGEST_BYTES
    whole = size > 0 and digest_of(file, size) == file.read()
    file.seek(0)
    return whole
