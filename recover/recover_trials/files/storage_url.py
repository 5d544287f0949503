"""Optuna storages, opened by URL: SQLite, journal, server databases and gRPC."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recover_trials.errors import MissingPackageError, RebuildError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

SQLITE, JOURNAL, GRPC = "sqlite:///", "journal://", "grpc://"
INSTALL = "{0} is not installed; run: python -m pip install {1}"


def import_optuna(*, silenced: bool = False) -> Any:
    """Return Optuna, with its logger silenced for a command. Raises MissingPackageError."""
    try:
        import optuna
    except ModuleNotFoundError:
        raise MissingPackageError(INSTALL.format("Optuna", "'optuna>=4,<6'")) from None
    if silenced:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def open_storage(url: str) -> BaseStorage:
    """Return the storage of a URL: `sqlite:///f.db`, `journal://f`, `grpc://host:port`, others.

    Raises RebuildError, with advice, if it cannot be used; MissingPackageError if a database needs
    a package that is not installed.
    """
    optuna = import_optuna()
    try:
        if url.startswith(JOURNAL):
            return open_journal(url.removeprefix(JOURNAL))
        if url.startswith(GRPC):
            host, _, port = url.removeprefix(GRPC).rpartition(":")
            proxy: BaseStorage = optuna.storages.GrpcStorageProxy(host=host, port=int(port))
            proxy.get_all_studies()  # connects
            return proxy
        if url.startswith(SQLITE):
            check_sqlite(Path(url.removeprefix(SQLITE).partition("?")[0]))
        storage: BaseStorage = optuna.storages.get_storage(url)
    except RebuildError:
        raise
    except Exception as error:  # each kind of storage has its own
        if name := missing_package(error):
            package = f"'{name}[binary]'" if name == "psycopg" else name
            raise MissingPackageError(INSTALL.format(name, package)) from None
        raise unusable(url, error) from None
    return storage


def missing_package(error: BaseException | None) -> str | None:
    """Return the missing package that caused an error; None for another cause."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError):
            return error.name
        error = error.__cause__ or error.__context__
    return None


def open_journal(name: str) -> BaseStorage:
    """Return a journal. Raises RebuildError if Optuna cannot read it.

    The path is absolute, for with a relative one Optuna never gets past the lock of a killed
    process.
    """
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = Path(name).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return JournalStorage(JournalFileBackend(str(path)))
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:
        raise RebuildError(
            f"{path} is damaged ({type(error).__name__}: {error}); repair it first:"
            f" recover-trials --repair {path}"
        ) from None


def check_sqlite(path: Path) -> None:
    """Create the folder of a database; refuse a damaged file, or a file of another format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size and (reason := sqlite_damage(path)):
        raise RebuildError(
            f"{path} is damaged or not a SQLite file ({reason}); it was not changed. Give the"
            " name of a new file: the log holds the whole study"
        )


def sqlite_damage(path: Path) -> str | None:
    """Return the first fault that SQLite finds in a file; None if it is whole."""
    try:
        # Not read-only: opening it rolls back the unfinished transaction of a killed process.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as database:
            result = database.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return None if result == ("ok",) else str(result[0]).splitlines()[-1]


def unusable(url: str, error: Exception) -> RebuildError:
    """Return the error for a storage that cannot be used; it hides the password in the URL."""
    shown = re.sub(r"(?<=:)[^/:@]*(?=@)|(?<=\?).*", "***", url)
    reason = next(iter(str(error).splitlines()), "")
    return RebuildError(f"storage {shown} cannot be used: {type(error).__name__}: {reason}")
