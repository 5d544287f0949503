"""Optuna 4.9 and 5.x: their suggestions are equal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.harness import SMALL, Place, Row, Tables, differences, make_place
from scripts import changed
from warm import Warm

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800)]
OLD = "4.9.0"
STARTUP = 10
FIFTY = changed(SMALL, study={"n_trials": 50, "n_noise": 0}, fixed={"epochs": 1})


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an older Optuna: the one that FAULT_OPTUNA names, or a new one."""
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


@pytest.fixture(scope="module")
def older(old: Path) -> Iterator[Warm]:
    """Return the parent of runs on the older Optuna."""
    parent = Warm(old)
    yield parent
    parent.close()


def both(base: Place, older: Warm) -> tuple[Tables, Tables]:
    """Return the tables of a study on the installed and on the older Optuna."""
    places = base.copy("new"), base.copy("old")
    places[1].server = older
    for place in places:
        place.finish()
    new, before = (f'optuna="{OLD}"' in place.text for place in places)
    assert (new, before) == (False, True)
    one, two = (place.tables() for place in places)
    return one, two


@pytest.mark.parametrize("multivariate", [True, False])
def test_fifty_trials_do_not_depend_on_the_version(
    multivariate: bool, older: Warm, shelf: Path, server: Warm
) -> None:
    sampler = {"type": "tpe", "multivariate": multivariate, "n_startup_trials": STARTUP}
    base = make_place(shelf, server, "base", changed(FIFTY, sampler=sampler))
    new, before = both(base, older)
    found = differences(new, before)
    assert not found, "\n".join(found)
    assert len(new["log"]) == len({row["params_learning_rate"] for row in params(new)}) == 50


def params(tables: Tables) -> list[Row]:
    """Return the suggested parameters of each trial."""
    rows = tables["trials.csv"]
    found = [rows[f"trial {number}"] for number in range(len(rows))]
    return [{k: v for k, v in row.items() if k.startswith("params_")} for row in found]
