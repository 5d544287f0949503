"""What tests share: prices, text from the standard library, and a PostgreSQL server."""

from __future__ import annotations

import email
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from hpogen.demo_data import prices
from servers import postgres_server

# What starts the tests in the background has them ignore these, and scripts would inherit that.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes is the machine's affair: no deadlines.
settings.register_profile("hpogen", deadline=None)
settings.load_profile("hpogen")


MEMORY, ROOM = Path("/dev/shm"), 2_000_000_000  # noqa: S108  bytes


def pytest_configure() -> None:
    """Keep the folders of tests in memory where there is room: studies sync each line."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slowest tests, so that no worker is left alone with one of them."""
    slow = ("test_docs.py::test_every_command", "test_pairs.py", "test_storage.py", "tests/study/")

    def place(item: pytest.Item) -> int:
        return next((i for i, name in enumerate(slow) if name in item.nodeid), len(slow))

    items.sort(key=place)


@pytest.fixture(scope="session")
def postgres() -> Iterator[dict[str, str]]:
    """Return the variables of libpq that lead to a PostgreSQL server."""
    with postgres_server() as variables:
        yield variables


@pytest.fixture(scope="session")
def sp500_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "sp500.csv"
    path.write_bytes(prices("sp500"))
    return path


@pytest.fixture
def sp500(sp500_file: Path, tmp_path: Path) -> Path:
    """Return a copy of the S&P 500 file in the test's own folder."""
    return Path(shutil.copy(sp500_file, tmp_path / "sp500.csv"))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """Return a folder of real text: the sources of the email package."""
    package = Path(email.__file__).parent
    ignore = shutil.ignore_patterns("__pycache__", "tests")
    return Path(shutil.copytree(package, tmp_path / "text", ignore=ignore))
