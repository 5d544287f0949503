"""What the fault suites share: the parent of all runs, a folder in memory, a study, a database."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faults.harness import Nursery, Place, Tables, make_place, places


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Return the parent of all runs."""
    parent = Nursery()
    yield parent
    parent.close()


@pytest.fixture
def shelf() -> Iterator[Path]:
    """Return a folder in memory."""
    with places() as folder:
        yield folder


@pytest.fixture
def base(shelf: Path, nursery: Nursery) -> Place:
    """Return a small study that has not begun."""
    return make_place(shelf, nursery)


@pytest.fixture
def whole(base: Place) -> Tables:
    """Return the tables of that study when nothing interrupts it."""
    place = base.copy("whole")
    place.finish()
    return place.tables()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[], str]]:
    """Return a function that makes an empty PostgreSQL database and returns its address."""
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    if shutil.which("pg_virtualenv") is None:
        pytest.skip("pg_virtualenv is not installed (Debian package postgresql-common)")
    server = subprocess.Popen(
        ["pg_virtualenv", "-t", "sh", "-c", "echo $PGHOST $PGPORT $PGUSER $PGPASSWORD; cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin
    assert server.stdout
    for line in server.stdout:
        if len(words := line.split()) == 4 and words[1].isdecimal():
            break
    else:
        pytest.skip("pg_virtualenv does not start a server here")
    host, port, user, password = words
    login = {**os.environ, "PGHOST": host, "PGPORT": port, "PGUSER": user, "PGPASSWORD": password}

    def database() -> str:
        name = f"study_{uuid.uuid4().hex[:8]}"
        subprocess.run(["createdb", name], env=login, check=True)
        return f"postgresql+psycopg://{user}:{password}@{host}:{port}/{name}"

    yield database
    server.stdin.close()
    server.stdout.close()
    server.wait(60)


@pytest.fixture(params=["sqlite", "journal", pytest.param("postgres", marks=pytest.mark.postgres)])
def storage(request: pytest.FixtureRequest) -> Callable[[], str | None]:
    """Return a function that returns the address of an empty storage of each kind."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres")
    address = "journal://study.journal" if request.param == "journal" else None
    return lambda: address
