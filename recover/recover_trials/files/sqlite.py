"""Optuna's SQLite files of any version, opened read-only."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from recover_trials.errors import UnreadableError
from recover_trials.files.journal_replay import STATES, external_repr
from recover_trials.files.sqlite_damaged_pages import Table, open_database, table_names
from recover_trials.model import (
    NUMBER_MISSING,
    NUMBER_TWICE,
    ROWS_LOST,
    VALUE_MISSING,
    Study,
    Trial,
)
from recover_trials.skipped_lines import Findings

NAME_MISSING = "the row of this study, which holds its name, is missing in the database"
NO_STUDIES = "SQLite file without readable Optuna studies"
SPECIAL = {"INF_POS": float("inf"), "INF_NEG": float("-inf"), "NAN": float("nan")}
# Tables with rows of trials, and the fields that they hold.
FIELDS = {
    "trial_params": "parameters",
    "trial_values": "values",
    "trial_intermediate_values": "intermediate values",
    "trial_user_attributes": "attributes",
    "trial_system_attributes": "attributes of samplers and pruners",
}
NUMBER = "_number"  # system attribute that holds the number before Optuna 1
Row = dict[str, Any]


def read_database(path: Path, name: str, findings: Findings) -> list[Study]:
    """Return the studies of a database; damaged rows are left out, counted and reported.

    Raises UnreadableError if it holds no study, or is locked.
    """
    try:
        with open_database(path) as database:
            reader = DatabaseReader(database, name, findings)
            if not {"studies", "trials"} <= reader.names:
                raise UnreadableError(NO_STUDIES)
            return reader.studies()
    except sqlite3.Error as error:
        raise UnreadableError(f"{NO_STUDIES}: {error}") from None


class DatabaseReader:
    """Reads a database table by table; the columns show the version of the schema."""

    def __init__(self, database: sqlite3.Connection, source: str, findings: Findings) -> None:
        self.database, self.source, self.findings = database, source, findings
        self.names = table_names(database)
        self.by_id: dict[int, Study] = {}
        self.trials: dict[int, Trial] = {}

    def studies(self) -> list[Study]:
        for row in self.rows("studies"):
            self.apply(self.add_study, row)
        for row in self.rows("study_directions"):
            self.apply(self.add_direction, row)
        members: list[tuple[Row, Study, Trial]] = []
        for row in self.rows("trials"):
            self.apply(lambda row: members.append(self.new_trial(row)), row)
        for name in FIELDS:
            for row in self.rows(name):
                self.apply(self.add_row, row, name)
        for study in self.by_id.values():
            directions = study.about["directions"]
            study.about |= {"direction": directions[0]} if len(directions) == 1 else {}
        self.number_trials(members)
        studies = self.by_id.values()
        return [study for study in studies if study.trials or NAME_MISSING not in study.flags]

    def rows(self, name: str) -> Iterator[Row]:
        """Yield the rows of a table, and flag the trials whose rows a damaged page may hold."""
        if name not in self.names:
            return
        table = Table(self.database, name)
        yield from table.rows()
        self.findings.problems += table.damage
        for first, last in table.around if name in FIELDS else ():
            before, after = self.trials.get(first or 0), self.trials.get(last or 0)
            for key, trial in self.trials.items():
                is_between = (first or 0) <= key and (last is None or key <= last)
                if is_between or may_overlap(trial, before, after):
                    flag_lost(trial, name)

    def apply(self, add: Callable[..., object], row: Row, *name: str) -> None:
        """Apply a row; count one that is no row of Optuna as damaged."""
        try:
            add(row, *name)
        except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError):
            self.findings.damaged += 1
            if name and (trial := self.trials.get(row.get("trial_id", -1))):
                flag_lost(trial, *name)

    def add_row(self, row: Row, name: str) -> None:
        """Add the row of a table to its trial, which a damaged page may have held."""
        trial = self.trials.get(row["trial_id"])
        if trial is None:
            return
        if name == "trial_params":
            add_parameter(row, trial)
        elif name == "trial_values":
            add_value(row, trial)
        elif name == "trial_intermediate_values":
            kind = row.get("intermediate_value_type")
            value = stored_float(row["intermediate_value"], kind)
            trial.intermediate_values[int(row["step"])] = value
        else:
            attributes = trial.user_attrs if "user" in name else trial.system_attrs
            attributes[text_of(row["key"])] = json.loads(row["value_json"])

    def add_study(self, row: Row) -> Study:
        key, name = row["study_id"], str(row["study_name"])
        study = Study(f"{self.source}#{name}", name, self.source, optuna_name=name)
        old = str(row["direction"]).lower() if "direction" in row else ""  # before 2.4
        study.about |= {"study_name": name, "directions": [old] if old else []}
        study.about["search_space"] = {}
        self.by_id[key] = study
        return study

    def add_direction(self, row: Row) -> None:
        direction = row["direction"].lower()
        self.study_of(row["study_id"]).about["directions"].append(direction)

    def study_of(self, key: int) -> Study:
        """Return a study; create it if its row is missing."""
        if key not in self.by_id:
            study = self.add_study({"study_id": key, "study_name": f"study {key}"})
            study.optuna_name = ""
            study.flags.append(NAME_MISSING)
        return self.by_id[key]

    def new_trial(self, row: Row) -> tuple[Row, Study, Trial]:
        """Return a trial without its number, which may be in another table."""
        key = row["study_id"]
        study, state = self.study_of(key), row["state"]
        if state not in STATES:
            raise ValueError(state)
        trial = Trial(-1, state)
        trial.datetime_start = stored_time(row["datetime_start"])
        trial.datetime_complete = stored_time(row["datetime_complete"])
        if row.get("value") is not None:  # before 2.4
            trial.values = (float(row["value"]),)
        self.trials[row["trial_id"]] = trial
        return row, study, trial

    def number_trials(self, members: list[tuple[Row, Study, Trial]]) -> None:
        """Add the trials to their studies; a missing number follows the one before."""
        places: dict[str, int] = {}
        for row, study, trial in members:
            place = places.get(study.key, -1) + 1
            number = trial.system_attrs.pop(NUMBER, row.get("number"))
            if not isinstance(number, int) or number < 0:
                number = place
                trial.flags.append(NUMBER_MISSING)
            trial.number = places[study.key] = number
            if trial.state == "WAITING":
                continue
            objectives = len(study.about["directions"])
            if trial.values and objectives and len(trial.values) != objectives:
                trial.values = ()  # which of its objectives they are is unknown
            if trial.state == "COMPLETE" and not trial.values:
                trial.flags.append(VALUE_MISSING)
            same = study.trials.setdefault(number, [])
            trial.flags += [NUMBER_TWICE] * bool(same)
            same.append(trial)
            study.about["search_space"] |= trial.distributions


def may_overlap(trial: Trial, before: Trial | None, after: Trial | None) -> bool:
    """Return whether a trial may have run between a row of one trial and the next of another.

    The rows of parallel and of enqueued trials are not in the order of their ids.
    """
    first, last = before and before.datetime_start, after and after.datetime_complete
    start, end = trial.datetime_start, trial.datetime_complete
    return not (first and end and end < first) and not (last and start and start > last)


def flag_lost(trial: Trial, table: str) -> None:
    flag = ROWS_LOST.format(FIELDS[table])
    trial.flags += [flag] * (flag not in trial.flags)


def add_parameter(row: Row, trial: Trial) -> None:
    name, distribution = text_of(row["param_name"]), json.loads(row["distribution_json"])
    trial.params[name] = external_repr(distribution, float(row["param_value"]))
    trial.distributions[name] = distribution


def add_value(row: Row, trial: Trial) -> None:
    """Add a value; before Optuna 2.4 this table holds the intermediate values."""
    value = stored_float(row["value"], row.get("value_type"))
    if "step" in row:
        trial.intermediate_values[int(row["step"])] = value
    elif row.get("objective", 0) == len(trial.values):
        trial.values += (value,)
    else:
        raise ValueError(row["objective"])  # the row of an earlier objective is lost


def text_of(name: object) -> str:
    """Return a name. Raises TypeError if it is no text."""
    if not isinstance(name, str):
        raise TypeError(name)
    return name


def stored_float(value: float | None, kind: str | None) -> float:
    """Return a value; Optuna stores NaN and infinities by name, and before 3.0 NaN as NULL.

    Raises TypeError if a value is missing.
    """
    if kind in SPECIAL:
        return SPECIAL[kind]
    return float("nan") if value is None and kind is None else float(value)  # type: ignore[arg-type]


def stored_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
