"""What the tests of the runner share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.harness import Room
from scripts import write_warm_python


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a Python that runs scripts warm."""
    return write_warm_python(tmp_path_factory.mktemp("bin") / "python")


@pytest.fixture
def room(
    sp500: Path, tmp_path: Path, python: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Room]:
    """Return a folder with data, which is the current one."""
    monkeypatch.chdir(tmp_path)
    found = Room(tmp_path, python)
    yield found
    found.close()
