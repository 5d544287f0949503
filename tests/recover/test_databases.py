"""SQLite storages of any version of Optuna, whole, damaged and locked."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest

from recover_trials import Recovery, Study, UnreadableError, read_trials

FOLDER = Path(__file__).resolve().parents[1] / "data" / "storages"
FIXTURES = sorted(FOLDER.glob("*.db.gz"))
ROOT = Path(__file__).resolve().parents[2]
FOLDER_OF_VERSIONS = Path(os.environ.get("OPTUNA_VERSIONS", ROOT / ".versions"))
VERSIONS = ("0.19.0", "1.5.0", "2.3.0", "2.4.0", "2.10.1", "3.6.2", "4.9.0")
PAGE = 4096


def contents_of(study: Study) -> list[dict[str, Any]]:
    """Return the rows as old_storage.py writes them."""
    return [
        {
            "number": trial.number,
            "state": trial.state,
            "values": repr(trial.values),
            "params": {name: repr(value) for name, value in sorted(trial.params.items())},
            "steps": sorted(trial.intermediate_values),
            "note": trial.user_attrs.get("note"),
        }
        for trial in study.rows
    ]


def by_name(recovery: Recovery) -> dict[str, list[dict[str, Any]]]:
    return {study.name: contents_of(study) for study in recovery.studies}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return a database of two studies, written by Optuna 2.10."""
    path = tmp_path / "study.db"
    path.write_bytes(gzip.decompress((FOLDER / "optuna-2.10.1.db.gz").read_bytes()))
    return path


@pytest.fixture
def truth() -> dict[str, list[dict[str, Any]]]:
    contents: dict[str, list[dict[str, Any]]]
    contents = json.loads((FOLDER / "optuna-2.10.1.json").read_text())
    return contents


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.name)
def test_a_database_of_any_version_is_read_to_the_last_digit(path: Path, tmp_path: Path) -> None:
    plain = tmp_path / "study.db"
    plain.write_bytes(gzip.decompress(path.read_bytes()))
    expected = json.loads(path.with_name(path.name.replace(".db.gz", ".json")).read_text())

    recovery = read_trials(plain)

    assert by_name(recovery) == expected
    assert recovery.conflicts == []
    assert recovery.studies[0].direction == "maximize"


@pytest.mark.versions
@pytest.mark.parametrize("version", VERSIONS)
def test_the_database_of_an_installed_version_is_read(version: str, tmp_path: Path) -> None:
    python = FOLDER_OF_VERSIONS / f"optuna-{version}" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"Optuna {version} is not installed: make versions")
    script, path = Path(__file__).with_name("old_storage.py"), tmp_path / "study.db"
    done = subprocess.run([python, "-I", script, path], check=True, capture_output=True)

    recovery = read_trials(path)

    assert by_name(recovery) == json.loads(done.stdout)
    assert recovery.conflicts == []


def test_a_compressed_database_and_a_stream_are_read(database: Path) -> None:
    zipped = database.with_suffix(".gz")
    zipped.write_bytes(gzip.compress(database.read_bytes()))

    with database.open("rb") as stream:
        from_stream = by_name(read_trials(stream))

    assert by_name(read_trials(zipped)) == by_name(read_trials(database)) == from_stream


def test_two_rows_of_one_number_are_kept_and_flagged(database: Path) -> None:
    change(database, "UPDATE trials SET number = 5 WHERE number = 7 AND study_id = 1")

    recovery = read_trials(database)

    study = recovery.studies[0]
    assert [trial.number for trial in study.rows] == [0, 1, 2, 3, 4, 5, 5, 6, 8, 9, 10, 11]
    assert recovery.conflicts == ["one: trial 5: two rows of the database have this number"]


def test_a_number_that_is_missing_is_the_place_in_the_order(
    database: Path, truth: dict[str, list[dict[str, Any]]]
) -> None:
    change(database, "UPDATE trials SET number = NULL WHERE number = 7")

    recovery = read_trials(database)

    assert by_name(recovery) == truth
    assert len(recovery.conflicts) == 1


def test_a_finished_trial_without_a_value_is_flagged(database: Path) -> None:
    change(database, "DELETE FROM trial_values WHERE trial_id = 1")

    assert read_trials(database).conflicts == ["one: trial 0: finished, but its value is missing"]


def test_a_lost_value_of_several_moves_no_other(database: Path) -> None:
    change(database, "DELETE FROM trial_values WHERE trial_id = 13 AND objective = 0")

    recovery = read_trials(database)

    trial, other = recovery.studies[1].rows
    assert (trial.values, len(other.values)) == ((), 2)
    assert "finished, but its value is missing" in trial.flags


def test_a_transaction_that_a_crash_interrupted_is_undone(
    database: Path, truth: dict[str, list[dict[str, Any]]]
) -> None:
    crashed = database.with_name("crashed.db")
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for statement in ("PRAGMA cache_size = 1", "PRAGMA cache_spill = 1", "BEGIN IMMEDIATE"):
            connection.execute(statement)
        rows = [(1, f"k{number}", f'"{"x" * 400}"') for number in range(300)]
        connection.executemany(
            "INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES (?, ?, ?)", rows
        )
        connection.execute("UPDATE trials SET state = 'FAIL'")
        for end in ("", "-journal"):
            Path(f"{crashed}{end}").write_bytes(Path(f"{database}{end}").read_bytes())
        connection.execute("ROLLBACK")
    before = crashed.read_bytes()

    assert by_name(read_trials(crashed)) == truth
    assert crashed.read_bytes() == before


def test_a_truncated_database_keeps_its_other_rows(
    database: Path, truth: dict[str, list[dict[str, Any]]]
) -> None:
    data = database.read_bytes()
    database.write_bytes(data[: len(data) - 3 * PAGE])

    recovery = read_trials(database)

    assert sum(len(study.rows) for study in recovery.studies) == 14
    assert recovery.conflicts
    for study in recovery.studies:
        for trial, row in zip(study.rows, contents_of(study), strict=True):
            assert trial.flags or row == truth[study.name][trial.number]


@pytest.mark.parametrize("is_enqueued", [False, True])
def test_a_page_of_zeros_costs_only_its_rows(
    database: Path, truth: dict[str, list[dict[str, Any]]], is_enqueued: bool
) -> None:
    if is_enqueued:  # the first trial runs last
        change(
            database,
            "UPDATE trial_params SET param_id = param_id + 1000 WHERE trial_id = 1",
            "UPDATE trials SET datetime_complete = '2999-01-01' WHERE trial_id = 1",
        )
    data = database.read_bytes()
    recovered = 0
    for start in range(PAGE, len(data), PAGE):
        database.write_bytes(data[:start] + bytes(PAGE) + data[start + PAGE :])
        try:
            recovery = read_trials(database)
        except UnreadableError:
            continue
        recovered += 1
        changed = by_name(recovery) != truth
        assert bool(recovery.conflicts) >= changed
        for study in recovery.studies:
            expected = {row["number"]: row for row in truth.get(study.name, [])}
            for trial, row in zip(study.rows, contents_of(study), strict=True):
                known = study.name in truth and not trial.flags
                assert not known or row == expected[trial.number]
    assert recovered > 20


def test_a_locked_database_is_said_to_be_locked(database: Path) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")

        with pytest.raises(UnreadableError, match="locked by another process"):
            read_trials(database)


def test_a_row_that_is_no_row_of_optuna_is_counted(database: Path) -> None:
    change(database, "UPDATE trial_params SET distribution_json = 'x' WHERE param_id = 1")

    recovery = read_trials(database)

    assert recovery.damaged == 1
    assert recovery.studies[0].rows[0].flags == [
        "parameters may be missing: rows of the database are damaged"
    ]


@pytest.mark.parametrize(
    "change_of",
    [
        "trial_params SET param_value = -1 WHERE param_name = 'c'",
        "trial_params SET param_value = NULL WHERE param_name = 'x'",
        "trial_params SET param_name = NULL WHERE param_name = 'x'",
        "trial_user_attributes SET key = NULL WHERE key = 'note'",
        "trial_intermediate_values SET step = 'x' WHERE step = 0",
    ],
)
def test_a_row_with_an_invalid_field_is_left_out(change_of: str, database: Path) -> None:
    change(database, f"UPDATE {change_of} AND trial_id = 1")

    recovery = read_trials(database)

    assert recovery.damaged == 1
    assert "may be missing" in recovery.studies[0].rows[0].flags[0]


@pytest.mark.parametrize(
    "lost",
    [
        "DELETE FROM trial_values WHERE trial_id > 12 AND objective = 1",
        "DELETE FROM trial_values WHERE trial_id > 12 AND objective = 0",
    ],
)
def test_the_values_of_a_trial_are_all_or_none(lost: str, database: Path) -> None:
    change(database, lost)

    for trial in read_trials(database).studies[1].rows:
        assert trial.values == ()
        assert "finished, but its value is missing" in trial.flags


def test_a_value_that_is_null_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    study = optuna.create_study(storage=f"sqlite:///{path}", study_name="s")
    study.add_trial(optuna.create_trial(value=0.5))
    change(path, "UPDATE trial_values SET value = NULL")

    assert read_trials(path).studies[0].rows[0].values == ()


def test_a_missing_number_follows_the_number_before(
    database: Path, truth: dict[str, list[dict[str, Any]]]
) -> None:
    change(
        database,
        "DELETE FROM trials WHERE number = 2 AND study_id = 1",
        "UPDATE trials SET number = NULL WHERE number = 7 AND study_id = 1",
    )

    recovery = read_trials(database)

    assert by_name(recovery)["one"] == [row for row in truth["one"] if row["number"] != 2]


def test_a_study_without_its_row_is_flagged(database: Path) -> None:
    change(database, "DELETE FROM studies WHERE study_id = 1")

    recovery = read_trials(database)

    flags = {study.name: study.flags for study in recovery.studies}
    assert flags["two"] == []
    assert flags["study 1"] == [
        "the row of this study, which holds its name, is missing in the database"
    ]
