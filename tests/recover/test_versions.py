"""Logs that real versions of Optuna write, on parameters that are hard to read.

make versions installs each into an environment of its own.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from recover_trials import Study, read_trials

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("OPTUNA_VERSIONS", ROOT / ".versions"))
VERSIONS = ("2.10.1", "3.6.2", "4.9.0", "5.0.0")

pytestmark = pytest.mark.versions


def run(version: str, **environment: str) -> tuple[bytes, dict[str, Any]]:
    """Return the log of the studies under a version of Optuna, and their contents."""
    python = FOLDER / f"optuna-{version}" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"Optuna {version} is not installed: make versions")
    script = Path(__file__).with_name("optuna_study.py")
    command = [python, "-I", script]
    done = subprocess.run(
        command, check=True, capture_output=True, env={**os.environ, **environment}
    )
    return done.stderr, json.loads(done.stdout)


def table_of(study: Study) -> list[dict[str, Any]]:
    """Return the rows of a recovered study, with values as text, which is not rounded."""
    return [
        {
            "number": trial.number,
            "state": trial.state,
            "values": repr(trial.values),
            "params": {name: repr(value) for name, value in trial.params.items()},
        }
        for trial in study.rows
    ]


def expected(trials: list[dict[str, Any]], version: str) -> list[dict[str, Any]]:
    """Return the logged fields: no parameters of pruned trials, nor of failed ones before 3.1."""
    silent = {"PRUNED", "FAIL"} if version < "3.1" else {"PRUNED"}
    return [
        {
            **trial,
            "params": {} if trial["state"] in silent else trial["params"],
            "values": "()" if trial["state"] in ("PRUNED", "FAIL") else trial["values"],
        }
        for trial in trials
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_log_of_a_version_gives_back_its_studies(version: str) -> None:
    log, contents = run(version)

    recovery = read_trials([io.BytesIO(log)])

    assert [study.name for study in recovery.studies] == [*contents]
    for study in recovery.studies:
        assert table_of(study) == expected(contents[study.name]["trials"], version)
        assert study.flags == []
        if contents[study.name]["best"] is not None and study.name != "bound":
            assert study.best is not None
            assert study.best.number == contents[study.name]["best"]
    assert recovery.unmatched == 0
