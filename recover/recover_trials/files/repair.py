"""Repair of damaged journals in place, after a backup."""

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
    """Drop the damaged lines of a journal; return the lines of a report.

    Raises RepairError, and changes nothing, if the file is no journal, if another process holds
    its lock, or if its lines are ambiguous; OSError if it cannot be read or written;
    MissingPackageError without Optuna.
    """
    import_optuna()
    path = path.resolve()
    with path.open("rb") as file:
        head = file.read(len(signatures.SQLITE))
    if head == signatures.SQLITE or path.suffix in (".db", ".sqlite", ".sqlite3"):
        return check_database(path)
    with locked(path):
        content = path.read_bytes()
        try:
            done = repair(content)
        except RepairError as error:
            raise RepairError(
                f"{path}: {error}. Nothing was changed; the log of the script holds the whole"
                f" study: {REBUILD}"
            ) from None
        if done.text == content:
            return [f"{path}: nothing to repair"]
        backup = back_up(path, content)
        replace(path, done.text)
    return [*summary(path, done), f"{path}: backup: {backup}"]


def check_database(path: Path) -> list[str]:
    """Return a report on a whole database. Raises RepairError, with advice, if it is damaged."""
    if wrong := damage(path):
        raise RepairError(
            f"{path}: a SQLite file, damaged: {wrong}. Nothing was changed; rebuild the study"
            f" from the log of the script, into a new file: {REBUILD}"
        )
    return [f"{path}: a SQLite file, whole: nothing to repair"]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold Optuna's lock for writing. Raises RepairError if another process holds it."""
    lock = Path(f"{path}.lock")
    try:
        lock.symlink_to(path)
    except FileExistsError:
        age = time.time() - lock.lstat().st_mtime
        raise RepairError(
            f"{path}: {lock.name} exists, {age:.0f} seconds old: a process writes to the journal,"
            " or was killed while it did. Stop the processes that use it; if there are none:"
            f" rm {lock}"
        ) from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def back_up(path: Path, content: bytes) -> Path:
    """Write a copy beside a file, under a new name; return its path."""
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
    """Replace a file by a new one, after that is on the disk."""
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
    """Return a report on the dropped lines."""
    if not done.dropped:
        return [f"{path}: no line was damaged; line ends corrected"]
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
