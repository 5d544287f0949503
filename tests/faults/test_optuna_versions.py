"""Optuna 4.9 and 5.x: the same suggestions, in one run and across restarts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from faults.harness import SMALL, Nursery, differences, make_place
from scripts import changed

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]
OLD = "4.9.0"


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that holds an older Optuna; FAULT_OPTUNA names one that is there."""
    if known := os.environ.get("FAULT_OPTUNA"):
        return Path(known)
    folder = tmp_path_factory.mktemp("optuna")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    done = subprocess.run(
        [*install, str(folder), f"optuna=={OLD}"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"optuna {OLD} cannot be installed: {done.stderr[-200:]}")
    return folder


def test_fifty_suggestions_do_not_depend_on_the_version(
    old: Path, shelf: Path, nursery: Nursery
) -> None:
    config = changed(SMALL, study={"n_trials": 50}, fixed={"epochs": 1})
    base = make_place(shelf, nursery, "base", config)
    new_place, old_place = base.copy("new"), base.copy("old")
    new_place.finish()
    older = Nursery(old)
    try:
        old_place.nursery = older
        old_place.finish()
    finally:
        older.close()
    assert f'"optuna": "{OLD}"' in old_place.log.read_text()
    assert f'"optuna": "{OLD}"' not in new_place.log.read_text()
    found = differences(new_place.tables(), old_place.tables())
    assert not found, "\n".join(found)
