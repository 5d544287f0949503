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
from recover_trials.files import recognise_format
from recover_trials.files.remove_damaged_lines import Repaired, repair
from recover_trials.files.storage_url import import_optuna, sqlite_damage

SHOWN, WIDTH = 5, 60
REBUILD = "recover-trials LOG --to-storage sqlite:///NEW.db"


def repair_file(path: Path) -> list[str]:
    """Remove the damaged lines of a journal after a backup; return the lines of a report.

    Raises RepairError, and changes nothing, if the file is not a journal, if another process holds
    its lock, or if its lines are ambiguous; OSError if it cannot be read or written;
    MissingPackageError without Optuna.
    """
    import_optuna()
    path = path.resolve()
    with path.open("rb") as file:
        head = file.read(len(recognise_format.SQLITE))
    if head == recognise_format.SQLITE or path.suffix in (".db", ".sqlite", ".sqlite3"):
        return check_database(path)
    with locked(path):
        content = path.read_bytes()
        try:
            done = repair(content)
        except RepairError as error:
            raise RepairError(
                f"{path}: {error}. The file was not changed. Rebuild the study from the log of the"
                f" script: {REBUILD}"
            ) from None
        if done.text == content:
            return [f"{path}: nothing to repair"]
        backup = back_up(path, content)
        replace(path, done.text)
    return [*repair_summary(path, done), f"{path}: backup: {backup}"]


def check_database(path: Path) -> list[str]:
    """Return a report on an intact database. Raises RepairError for a damaged one."""
    if reason := sqlite_damage(path):
        raise RepairError(
            f"{path}: damaged SQLite file: {reason}. The file was not changed. Rebuild the study"
            f" from the log of the script, into a new file: {REBUILD}"
        )
    return [f"{path}: SQLite file without damage: nothing to repair"]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold Optuna's lock of a journal. Raises RepairError if another process holds it."""
    lock = Path(f"{path}.lock")
    try:
        lock.symlink_to(path)
    except FileExistsError:
        age = time.time() - lock.lstat().st_mtime
        raise RepairError(
            f"{path}: {lock.name} exists, {age:.0f} seconds old: a process is writing to the"
            " journal, or was killed during a write. Stop the processes that use the journal; if"
            f" there are none, remove the lock: rm {lock}"
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
    """Replace a file by a new one, which is on the disk before the rename."""
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


def repair_summary(path: Path, done: Repaired) -> list[str]:
    """Return a report on the removed lines."""
    lines = []
    if done.missing:
        lines.append(
            f"{path}: lines that create trials were missing: {done.missing}; placeholder trials"
            " replace them"
        )
    if not done.dropped:
        return lines or [f"{path}: no line was damaged; line ends corrected"]
    where = "at its end" if done.tail else "not only at its end"
    lines.append(f"{path}: {len(done.dropped)} damaged lines removed, {where}")
    for number, text in itertools.islice(done.dropped.items(), SHOWN):
        shown = text[:WIDTH].decode("utf-8", "replace")
        rest = "; the intact record on this line was kept" if number in done.kept else ""
        rest += "; a placeholder trial replaces it" if number in done.replaced else ""
        lines.append(f"  line {number}: {len(text)} bytes, {shown!r}{rest}")
    if len(done.dropped) > SHOWN:
        lines.append(f"  and {len(done.dropped) - SHOWN} more")
    return lines
