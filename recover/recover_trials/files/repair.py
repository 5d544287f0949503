"""Repair of damaged journals in place: a backup first, then all at once."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recover_trials.errors import RepairError
from recover_trials.files import signatures
from recover_trials.files.journal_repair import Repaired, repair
from recover_trials.files.optuna_storages import damage, import_optuna

SHOWN, WIDTH = 5, 60
REBUILD = "recover-trials LOG --to-storage sqlite:///NEW.db"


def repair_file(path: Path) -> list[str]:
    """Drop the damaged lines of a journal; return what was done, a line each.

    Raises RepairError where it is left as it is: it is no journal, another process holds its
    lock, or nobody can tell what its lines mean; OSError where it cannot be read or written;
    MissingPackageError without Optuna.
    """
    import_optuna()
    path = path.resolve()
    with path.open("rb") as file:
        head = file.read(len(signatures.SQLITE))
    if head == signatures.SQLITE or path.suffix in (".db", ".sqlite", ".sqlite3"):
        return look_at_database(path)
    with locked(path):
        content = path.read_bytes()
        try:
            done = repair(content)
        except RepairError as error:
            raise RepairError(
                f"{path}: {error}. Nothing was changed; the log of the script has all that is"
                f" needed: {REBUILD}"
            ) from None
        if done.text == content:
            return [f"{path}: nothing to repair"]
        backup = back_up(path, content)
        replace(path, done.text)
    return [*summary(path, done), f"{path}: as it was: {backup}"]


def look_at_database(path: Path) -> list[str]:
    """Say that a database is whole; raise RepairError with the way out where it is not."""
    if wrong := damage(path):
        raise RepairError(
            f"{path}: a SQLite file, damaged: {wrong}. It is left as it is; the log of the script"
            f" gives the study back, into a new file: {REBUILD}"
        )
    return [f"{path}: a SQLite file, whole: nothing to repair"]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that Optuna takes to write. Raises RepairError where another has it."""
    lock = Path(f"{path}.lock")
    try:
        lock.symlink_to(path)
    except FileExistsError:
        age = time.time() - lock.lstat().st_mtime
        raise RepairError(
            f"{path}: {lock.name} is there, {age:.0f} seconds old: a process writes to the"
            " journal, or was killed while it did. Stop the processes that use it; if none does:"
            f" rm {lock}"
        ) from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def back_up(path: Path, content: bytes) -> Path:
    """Write a copy beside a file, never over another; return its path."""
    for number in itertools.count():
        backup = Path(f"{path}.bak" + (f".{number}" if number else ""))
        try:
            with backup.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            continue
        shutil.copystat(path, backup)
        return backup
    raise AssertionError


def replace(path: Path, content: bytes) -> None:
    """Replace a file by a new one that is on the disk."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def summary(path: Path, done: Repaired) -> list[str]:
    """Return what was dropped, with the numbers of the lines."""
    if not done.dropped:
        return [f"{path}: no line was damaged; line ends put right"]
    where = "at its end" if done.tail else "not only at its end"
    lines = [f"{path}: {len(done.dropped)} damaged lines dropped, {where}"]
    for number, text in itertools.islice(done.dropped.items(), SHOWN):
        shown = text[:WIDTH].decode("utf-8", "replace")
        rest = "; the whole line in it was kept" if number in done.kept else ""
        rest += "; a trial takes its place" if number in done.replaced else ""
        lines.append(f"  line {number}: {len(text)} bytes, {shown!r}{rest}")
    if len(done.dropped) > SHOWN:
        lines.append(f"  and {len(done.dropped) - SHOWN} more")
    return lines
