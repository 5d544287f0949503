"""What the fault suites share: the parent of all runs, a folder in memory, a small study."""

from __future__ import annotations

from collections.abc import Iterator
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
