"""Rows of SQLite tables, also of files with damaged pages."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from recover_trials.errors import UnreadableError

LOCKED = "the database is locked by another process; stop the process, or give a copy of the file"
LOST = "damaged database: table {0} cannot be read from row {1} to {2}; all other rows were read"
LOST_TO_END = "damaged database: table {0} cannot be read after row {1}; all other rows were read"
LARGEST_PAGE = 65536  # its size does not fit into the header
MOST_PAGES = 1 << 20  # a damaged header may name any number
FARTHEST = 40  # doublings of the distance to the next whole page
MOST_TRIES = 10_000  # row ids that are tried within that distance


@contextmanager
def open_database(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file read-only. Raises UnreadableError for a locked one."""
    try:
        with TemporaryDirectory() as folder, closing(connect(path, Path(folder))) as database:
            database.row_factory = sqlite3.Row
            database.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
            yield database
    except sqlite3.OperationalError as error:
        if is_locked(error):
            raise UnreadableError(LOCKED) from None
        raise


def connect(path: Path, folder: Path) -> sqlite3.Connection:
    """Connect to a file, or to a copy in which SQLite can undo an interrupted transaction.

    A truncated file is a copy, too, whose lost pages are zeros: SQLite refuses a shorter file.
    """
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    size = whole_size(path)
    try:
        database.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError as error:
        if "readonly" not in str(error):
            database.close()
            raise
    except sqlite3.DatabaseError:
        if size <= path.stat().st_size:
            database.close()
            raise
    else:
        return database
    database.close()
    copy = folder / "study.db"
    shutil.copyfile(path, copy)
    journal = path.with_name(f"{path.name}-journal")
    if journal.exists():
        shutil.copyfile(journal, folder / "study.db-journal")
    with copy.open("r+b") as file:
        file.truncate(max(size, path.stat().st_size))
    return sqlite3.connect(copy)


def whole_size(path: Path) -> int:
    """Return the size of a database by its header: number of pages, and their size."""
    with path.open("rb") as file:
        head = file.read(32)
    page = int.from_bytes(head[16:18], "big")
    return (LARGEST_PAGE if page == 1 else page) * min(
        int.from_bytes(head[28:32], "big"), MOST_PAGES
    )


def is_locked(error: sqlite3.Error) -> bool:
    return "locked" in str(error)


def table_names(database: sqlite3.Connection) -> set[str]:
    found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return {row["name"] for row in found}


class Table:
    """A table of a database; `name` is a constant of this package.

    Attributes:
        damage: a sentence about each part that cannot be read.
        around: trial ids of the rows before and after each such part.
    """

    def __init__(self, database: sqlite3.Connection, name: str) -> None:
        self.database, self.name = database, name
        self.damage: list[str] = []
        self.around: list[tuple[int | None, int | None]] = []

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows in the order of their ids, without the rows of damaged pages."""
        place, owner, gap = 0, None, False
        while True:
            try:
                for row in self.select(">= ?", place + 1):
                    place, before, owner = row["rowid_"], owner, self.owner_of(row)
                    if gap:
                        self.around.append((before, owner))
                    gap = False
                    yield dict(row)
            except sqlite3.DatabaseError as error:  # noqa: PERF203
                if is_locked(error):
                    raise
                after = self.next_readable(place)
                if after is None:
                    self.damage.append(LOST_TO_END.format(self.name, place))
                    self.around.append((owner, None))
                    return
                self.damage.append(LOST.format(self.name, place + 1, after - 1))
                place, gap = after - 1, True
            else:
                return

    def select(self, condition: str, *values: int) -> sqlite3.Cursor:
        """Select rows without an index, which may be damaged, too."""
        query = f"SELECT rowid AS rowid_, * FROM {self.name} NOT INDEXED WHERE rowid {condition}"  # noqa: S608
        return self.database.execute(f"{query} ORDER BY rowid", values)

    def next_readable(self, place: int) -> int | None:
        """Return the id of the first row after a damaged page; None if there is none."""
        reach = next((2**n for n in range(FARTHEST) if self.is_readable(place + 2**n)), None)
        if reach is None:
            return None
        step = max(1, reach // MOST_TRIES)
        for candidate in (*range(place + 1, place + reach, step), place + reach):
            if self.is_readable(candidate):
                row = self.select(">= ?", candidate).fetchone()
                return int(row["rowid_"]) if row else None
        return None

    def is_readable(self, place: int) -> bool:
        """Return whether the page of a row id is whole."""
        try:
            self.select(">= ?", place).fetchone()
        except sqlite3.DatabaseError:
            return False
        return True

    @staticmethod
    def owner_of(row: sqlite3.Row) -> int | None:
        return row["trial_id"] if "trial_id" in row.keys() else None  # noqa: SIM118
