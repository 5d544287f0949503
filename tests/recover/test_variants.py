"""Ten random studies of each real version of Optuna, from their storages and their log."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from recover.test_versions import FOLDER, VERSIONS
from recover_trials import Study, read_trials

pytestmark = pytest.mark.versions


Studies = tuple[Path, bytes, dict[str, Any]]


@pytest.fixture(scope="module", params=VERSIONS)
def studies(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Studies:
    """Return the folder of the storages of a version, its log, and the trials by storage."""
    python = FOLDER / f"optuna-{request.param}" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"Optuna {request.param} is not installed: make versions")
    script = Path(__file__).with_name("optuna_variants.py")
    folder = tmp_path_factory.mktemp("variants")
    done = subprocess.run([python, "-I", script, folder], check=True, capture_output=True)
    return folder, done.stderr, json.loads(done.stdout)


def table_of(study: Study) -> list[dict[str, Any]]:
    return [
        {
            "number": trial.number,
            "state": trial.state,
            "values": repr(trial.values),
            "params": {name: repr(value) for name, value in sorted(trial.params.items())},
            "steps": sorted(trial.intermediate_values),
        }
        for trial in study.rows
    ]


def test_the_storages_of_random_studies_are_read(studies: Studies) -> None:
    folder, _, contents = studies

    for name, expected in contents.items():
        recovery = read_trials(folder / name)
        (study,) = recovery.studies
        assert table_of(study) == expected, name
        assert recovery.conflicts == [], name


def test_the_log_of_random_studies_is_read(studies: Studies) -> None:
    _, log, contents = studies

    recovery = read_trials([io.BytesIO(log)])

    expected = {name: rows for name, rows in contents.items() if name.endswith(".db")}
    assert [study.name for study in recovery.studies] == [f"study {n}" for n in range(10)]
    for study, rows in zip(recovery.studies, expected.values(), strict=True):
        for row, known in zip(table_of(study), rows, strict=True):
            assert (row["number"], row["state"]) == (known["number"], known["state"])
            if row["state"] == "COMPLETE":
                assert (row["values"], row["params"]) == (known["values"], known["params"])
    assert recovery.conflicts == []
    assert recovery.unmatched == 0
