"""Studies whose database is lost, for tests: a script, its log, and what the study would be."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from scripts import MARKET, changed

DONE = 5  # trials of the half-done study; the last one is the first that the sampler suggests
CONFIG = changed(
    MARKET,
    study={"n_trials": 9},
    search={
        "loss": {"type": "categorical", "choices": ["bce", "focal"]},
        "focal_gamma": {"type": "float", "low": 0.5, "high": 3.0},
    },
    sampler={"n_startup_trials": 3},
)
TIMES = re.compile("datetime|duration|seconds")


def table(script: Path) -> pd.DataFrame:
    """Return the result table of a script without its times."""
    found = pd.read_csv(script.parent / "outputs" / script.stem / "trials.csv")
    return found[sorted(name for name in found if not TIMES.search(name))]


def call(script: Path, *arguments: str, python: str = sys.executable) -> str:
    """Run a script, or a module by -m, in the script's folder; return what it prints."""
    done = subprocess.run(
        [python, "-I", *arguments],
        cwd=script.parent,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def recover(script: Path, storage: str = "", *, python: str = sys.executable) -> str:
    """Rebuild the storage of a script from its log, as a user would; return what is printed."""
    log = f"logs/{script.stem}.log"
    storage = storage or f"sqlite:///outputs/{script.stem}/study.db"
    return call(script, "-m", "recover_trials", log, "--to-storage", storage, python=python)


def without_outputs(script: Path, folder: Path) -> Path:
    """Return a copy of a script whose log is all that is left."""
    left_out: Any = shutil.ignore_patterns("outputs")
    shutil.copytree(script.parent, folder, ignore=left_out, dirs_exist_ok=True)
    return folder / script.name
