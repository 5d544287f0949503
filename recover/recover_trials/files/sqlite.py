"""Optuna's SQLite files, opened read-only."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from recover_trials.errors import UnreadableError
from recover_trials.files.journal import external_repr
from recover_trials.model import Study, Trial

NO_STUDIES = "SQLite file without readable Optuna studies"
SPECIAL = {"INF_POS": float("inf"), "INF_NEG": float("-inf"), "NAN": float("nan")}


def read_database(path: Path) -> list[Study]:
    """Return the studies of a database. Raises UnreadableError if it holds none."""
    uri = f"{path.resolve().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as database:
            database.row_factory = sqlite3.Row
            return [
                read_study(database, row["study_id"], row["study_name"], str(path))
                for row in database.execute("SELECT * FROM studies ORDER BY study_id")
            ]
    except (sqlite3.Error, IndexError, KeyError, ValueError, TypeError) as error:
        raise UnreadableError(f"{NO_STUDIES}: {error}") from None


def read_study(database: sqlite3.Connection, key: int, name: str, source: str) -> Study:
    study = Study(f"{source}#{name}", name, source, optuna_name=name)
    chosen = "SELECT direction FROM study_directions WHERE study_id = ? ORDER BY objective"
    directions = [row[0].lower() for row in database.execute(chosen, (key,))]
    if len(directions) == 1:
        study.about["direction"] = directions[0]
    study.about |= {"study_name": name, "directions": directions, "search_space": {}}
    trials = database.execute("SELECT * FROM trials WHERE study_id = ? ORDER BY trial_id", (key,))
    for row in trials.fetchall():
        if row["state"] != "WAITING":
            study.trials[row["number"]] = [read_trial(database, row, study)]
    return study


def read_trial(database: sqlite3.Connection, row: sqlite3.Row, study: Study) -> Trial:
    trial = Trial(row["number"], row["state"])
    trial.datetime_start = stored_time(row["datetime_start"])
    trial.datetime_complete = stored_time(row["datetime_complete"])
    values = children(database, "trial_values", row, "objective")
    trial.values = tuple(stored_float(r["value"], r["value_type"]) for r in values)
    for child in children(database, "trial_params", row, "param_id"):
        name, distribution = child["param_name"], json.loads(child["distribution_json"])
        trial.distributions[name] = study.about["search_space"][name] = distribution
        trial.params[name] = external_repr(distribution, child["param_value"])
    for child in children(database, "trial_intermediate_values", row, "step"):
        value = stored_float(child["intermediate_value"], child["intermediate_value_type"])
        trial.intermediate_values[child["step"]] = value
    for table, attributes in (("user", trial.user_attrs), ("system", trial.system_attrs)):
        for child in children(database, f"trial_{table}_attributes", row, "1"):
            attributes[child["key"]] = json.loads(child["value_json"])
    return trial


def children(
    database: sqlite3.Connection, table: str, row: sqlite3.Row, order: str
) -> list[sqlite3.Row]:
    """Return the rows of a table for one trial; `table` is a constant of this file."""
    chosen = f"SELECT * FROM {table} WHERE trial_id = ? ORDER BY {order}"  # noqa: S608
    return database.execute(chosen, (row["trial_id"],)).fetchall()


def stored_float(value: float, kind: str) -> float:
    """Return a value; Optuna stores NaN and infinities by name."""
    return SPECIAL.get(kind, value)


def stored_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
