"""Storage: where the study is kept.

Commits outlive a power failure, locks die with their holder, and what goes wrong is told with the
way out.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import sqlite3
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from hpo_script.command_line import without_password
from hpo_script.log_writer import sync_folder

# What Optuna's storages raise of content that is none of theirs.
UNREADABLE = (TypeError, ValueError, LookupError)

# A server that is gone without a word would be waited for two hours, by all workers: the round is
# not over. https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
LIBPQ = {
    "connect_timeout": 30,  # seconds
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # milliseconds
}


class StorageError(Exception):
    """The storage does not work, and went on not to; its cause says why."""


class FileLock(JournalFileOpenLock):
    """A lock that the system frees when its holder dies; Optuna's own outlive a killed process."""

    def acquire(self, *, wait: bool = True) -> bool:
        """Take the lock; without waiting, tell whether it was free."""
        self.file = os.open(self._lock_file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(self.file)
            return False
        return True

    def release(self) -> None:
        """Let another have it."""
        os.close(self.file)


class DurableConnection(sqlite3.Connection):
    """A connection to SQLite whose commits a power failure does not undo."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # https://sqlite.org/pragma.html#pragma_synchronous
        self.execute("PRAGMA synchronous = EXTRA")


def file_of(url: str) -> Path | None:
    """Return the file that a storage is, if it is one."""
    match = re.fullmatch(r"(?:sqlite(?:\+\w+)?:///|journal://)([^?]+)(?:\?.*)?", url)
    return Path(match[1]).resolve() if match else None  # by links, too, it has one lock


def lock_folder(url: str) -> Path:
    """Return where the processes of this machine that share a storage keep their locks."""
    file = file_of(url)
    digest = hashlib.sha256(without_password(url).encode()).hexdigest()[:16]
    folder = Path(f"{file}.locks") if file else Path(tempfile.gettempdir(), f"hpogen-{digest}")
    folder.mkdir(exist_ok=True)
    return folder


def connect(url: str) -> BaseStorage:
    """Return the storage of a URL: sqlite, journal, grpc, or any other database."""
    scheme, _, rest = url.partition("://")
    if scheme == "journal":
        lock = FileLock(str(lock_folder(url) / "journal"))
        return open_journal(Path(rest).resolve(), lock)
    if scheme == "grpc":
        host, _, port = rest.rpartition(":")
        return optuna.storages.GrpcStorageProxy(host=host, port=int(port))
    if scheme.startswith("sqlite"):
        durable = {"factory": DurableConnection, "timeout": 60}
        return RDBStorage(url, engine_kwargs={"connect_args": durable})
    options: dict[str, Any] = {"pool_pre_ping": True}
    if scheme.startswith("postgresql") and "pg8000" not in scheme:
        options["connect_args"] = LIBPQ
    return RDBStorage(url, engine_kwargs=options)


@contextmanager
def one_commit(storage: BaseStorage) -> Iterator[None]:
    """Make all that this thread writes to a database one commit: everything stays, or nothing.

    Optuna commits each attribute on its own. A session that is bound to a connection within a
    transaction leaves the commit to whoever began that (SQLAlchemy, Joining a Session into an
    External Transaction). Other storages are written to as ever.
    """
    if not isinstance(storage, RDBStorage):
        yield
        return
    with storage.engine.connect() as connection:
        transaction = connection.begin()
        storage.scoped_session.remove()
        storage.scoped_session(bind=connection)
        try:
            yield
        finally:
            storage.scoped_session.remove()
        transaction.commit()


def open_journal(file: Path, lock: FileLock) -> JournalStorage:
    """Return a journal; one whose last line is cut short would be ruined by the next."""
    lock.acquire()
    whole = not file.exists() or file.read_bytes()[-1:] in (b"", b"\n")
    lock.release()
    if not whole:
        raise OSError("the last line is cut short")
    journal = JournalStorage(JournalFileBackend(str(file), lock_obj=lock))
    sync_folder(file.parent)
    return journal


def open_storage(url: str) -> BaseStorage:
    """Return the storage of a URL; try again, for others may be creating it at this moment."""
    for attempt in range(8):
        try:
            return connect(url)
        except ImportError:
            raise
        except Exception as error:  # each kind of storage has its own
            final = is_final(error) or "unable to open" in str(error)
            if final or not hasattr(error, "orig") or attempt == 7:
                raise StorageError from error
        time.sleep(0.05 * 2**attempt * (1 + os.getpid() % 10 / 10))  # 13 s at most in all
    raise AssertionError


def root_of(error: BaseException) -> BaseException:
    """Return what an error comes from: Optuna's own says little."""
    while error.__cause__:
        error = error.__cause__
    return error


def is_final(error: BaseException) -> bool:
    """Tell whether an error of a storage is one that waiting does not mend."""
    error = root_of(error)
    texts = ("malformed", "not a database", "Could not decode")
    return isinstance(error, UNREADABLE) or any(text in str(error) for text in texts)


def is_of_storage(error: BaseException | None) -> bool:
    """Tell whether an error comes from a storage, not from this script."""
    kinds = ("sqlalchemy", "sqlite3", "psycopg", "psycopg2", "grpc")
    if isinstance(error, UNREADABLE):
        within = traceback.extract_tb(error.__traceback__)
        return any("/optuna/storages/" in frame.filename for frame in within)
    known = (OSError, optuna.exceptions.StorageInternalError)
    return isinstance(error, known) or type(error).__module__.split(".")[0] in kinds


def trouble(url: str, log: Path, error: BaseException) -> str:
    """Return what is wrong with a storage, and the way out; nothing was overwritten."""
    file, said = file_of(url), f"{type(error).__name__}: {error}".splitlines()[0][:300]
    said = said.replace(url, without_password(url))
    if file is None:
        return f"the storage cannot be used: {said}"
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        return f"the storage {file} cannot be written: {said}"
    number = getattr(error, "errno", 0)
    if "disk is full" in said or number in (errno.ENOSPC, errno.EDQUOT):
        return f"no space is left for {file}; free some and run this again ({said})"
    if number in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
        return (
            f"{file.parent} has no working locks ({said}): give --out or --storage on a disk of"
            " this machine, or a server"
        )
    if url.startswith("journal:"):
        return (
            f"the journal {file} is damaged ({said}). This drops what is torn, after a backup,"
            f" and this script then goes on: recover-trials --repair {file}"
        )
    if is_final(error) or "no such" in said or "corrupt" in said:
        return f"the storage {file} is damaged ({said}). {way_out(url, log)}"
    return f"the storage {file} cannot be used: {said}"


def way_out(url: str, log: Path) -> str:
    """Return what to do about a storage that is damaged or altered."""
    return (
        "Move it away, rebuild the study from its log, and run this again:"
        f" recover-trials {log} --to-storage {without_password(url)}"
    )
