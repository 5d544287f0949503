"""Studies given back by their logs alone, compared with what they were."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from optuna.trial import FrozenTrial

from scripts import run, study_of


def told(trial: FrozenTrial) -> str:
    """Return what two storages must have of a trial."""
    known = [trial.number, trial.state, trial.values]
    tables = (trial.params, trial.intermediate_values, trial.user_attrs)
    return repr([*known, *(sorted(table.items()) for table in tables)])


def rebuilt(script: Path) -> Path:
    """Return the script in a folder in which its log alone has given the study back."""
    folder = script.parent.with_name(f"{script.parent.name}-rebuilt")
    ignored = shutil.ignore_patterns("outputs")
    copy = Path(shutil.copytree(script.parent, folder, ignore=ignored)) / script.name
    url = f"sqlite:///outputs/{script.stem}/study.db"
    (folder / "outputs" / script.stem).mkdir(parents=True)
    command = ["-m", "recover_trials", f"logs/{script.stem}.log", "--to-storage", url]
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return copy


def assert_log_gives_the_study_back(script: Path, *, but: set[int] = frozenset()) -> None:
    """The study is the one that its log alone gives back, and both go on."""
    ours, theirs = (study_of(path).trials for path in (script, rebuilt(script)))
    assert [told(trial) for trial in theirs if trial.number not in but] == [
        told(trial) for trial in ours if trial.number not in but
    ]
    copies = script.parent.with_name(f"{script.parent.name}-rebuilt") / script.name
    for path in (script, copies):
        done = run(path)
        assert done.returncode == 0, done.stderr
    log = (script.parent / "logs" / f"{script.stem}.log").read_text()
    for trial in ours:
        assert len(list(lines_of(log, trial.number))) == 1, trial.number


def lines_of(log: str, number: int) -> list[str]:
    """Return the lines of Optuna's that say that a trial has ended."""
    ends = (
        f"Trial {number} finished with value",
        f"Trial {number} pruned.",
        f"Trial {number} failed with value",
    )
    return [line for line in log.splitlines() if any(f"] {end}" in line for end in ends)]
