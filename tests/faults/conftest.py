"""What the fault suites share: the parent of all runs, a folder in memory, a small study."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.harness import Place, Tables, make_place, memory
from warm import Warm


@pytest.fixture(scope="session")
def server() -> Iterator[Warm]:
    """Return the parent of all runs."""
    parent = Warm()
    yield parent
    parent.close()


@pytest.fixture(scope="session")
def room() -> Iterator[Path]:
    """Return a folder in memory, which does not outlive the tests."""
    with memory() as folder:
        yield folder


@pytest.fixture
def shelf(room: Path) -> Iterator[Path]:
    """Return a folder in memory for one test."""
    with tempfile.TemporaryDirectory(dir=room) as folder:
        yield Path(folder)


@pytest.fixture
def base(shelf: Path, server: Warm) -> Place:
    """Return a small study that has not begun."""
    return make_place(shelf, server)


@pytest.fixture
def whole(base: Place) -> Tables:
    """Return the tables of that study when nothing interrupts it."""
    place = base.copy("whole")
    place.finish()
    return place.tables()
