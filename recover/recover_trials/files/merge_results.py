"""Merge of files of results: with each other, and with the studies of logs.

Two files belong to one study if they have the same study id, or the same trial. Equal numbers do
not suffice, for every study has a trial 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from recover_trials.files.result_study import ResultStudy
from recover_trials.model import (
    CONFLICTING,
    NUMBERED_BY_ORDER,
    Study,
    Trial,
    forget_invented_times,
)

# Optuna logs a line shortly after the end time in the storage.
TOLERANCE = timedelta(seconds=60)
QUARTER = timedelta(minutes=15)  # time zones differ by multiples
FARTHEST_ZONES = timedelta(hours=26)
SEVERAL = "several studies of the logs have these trials; the file does not name its study"
BEST_WITHOUT_NUMBER = "a file of results has the best value {0} without its trial number"
BEST_CONFLICTS = (
    "a file of results names trial {0} as the best with {1}; the trial has another value"
)


class ResultFiles:
    """Collects files of results, by study."""

    def __init__(self) -> None:
        self.studies: list[Study] = []
        self.by_folder: dict[str, list[Study]] = {}

    def add(self, results: Iterable[ResultStudy], source: str) -> None:
        """Add the studies of a file; two of them never become one study."""
        used: list[Study] = []
        for result in results:
            study = self.study_of(result, source, used)
            used.append(study)
            add_result(study, result)

    def study_of(self, result: ResultStudy, source: str, used: list[Study]) -> Study:
        """Return the study that a result belongs to; create it if there is none."""
        folder = folder_of(source)
        if result.numbered:
            same = [s for s in self.studies if same_id(s.about, result.about)]
            candidates = same or self.in_folder(result, folder)
            candidates = [study for study in candidates if study not in used]
            if candidates:
                return candidates[0]
        about = result.about
        name = str(about.get("study_name") or about.get("name") or Path(folder).name)
        study = Study(f"{source}#imported {len(self.studies) + 1}", name, source)
        self.studies.append(study)
        if result.numbered:
            self.by_folder.setdefault(folder, []).append(study)
        return study

    def in_folder(self, result: ResultStudy, folder: str) -> list[Study]:
        """Return the studies of a folder that a result may belong to: one, or unnamed ones."""
        here = [
            s for s in self.by_folder.get(folder, ()) if may_share_study(s.about, result.about)
        ]
        here = [s for s in here if Comparison.of(s, result.trials).may_be_one_study()]
        unnamed = [s for s in here if not s.about]
        return here if len(here) == 1 else unnamed

    def merge_into(self, studies: list[Study]) -> list[Study]:
        """Return the studies of the logs, with the results added, and the remaining studies."""
        merged = list(studies)
        for result in self.studies:
            if not result.trials:
                continue
            same = [s for s in studies if same_id(s.about, result.about)]
            same = same or [s for s in studies if Comparison.of(s, result.rows).is_one_study()]
            if len(same) == 1:
                merge_result(same[0], result)
                continue
            result.flags += [SEVERAL] * bool(same)
            merged.append(result)
        return merged


def add_result(study: Study, result: ResultStudy) -> None:
    study.about = {**result.about, **study.about}
    study.flags += result.flags
    study.remarks += [text for text in result.remarks if text not in study.remarks]
    for trial in result.trials:
        add_result_row(study, trial)
    if result.best is None:
        return
    number, value = result.best
    if number is not None:
        study.named_bests[number] = value
    elif all(value not in trial.values for trial in study.rows):
        study.remarks.append(BEST_WITHOUT_NUMBER.format(value))


def folder_of(source: str) -> str:
    """Return the folder of a study, from the path of one of its files."""
    parent = Path(source).absolute().parent
    return str(parent.parent if parent.name == "trials" else parent)


def same_id(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.get("study") is not None and one.get("study") == other.get("study")


def may_share_study(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether no field of two files of a folder differs."""
    names = ("study", "name", "study_name", "budget", "horizon")
    return all(one[n] == other[n] for n in names if n in one and n in other)


@dataclass
class Comparison:
    """Comparison of two studies: number of trials proven equal, and of trials that differ."""

    proven: int = 0
    differ: int = 0

    @classmethod
    def of(cls, study: Study, trials: Iterable[Trial]) -> Comparison:
        """Compare the trials with equal numbers."""
        comparison = cls()
        for trial in trials:
            others = study.trials.get(trial.number, ())
            comparison.proven += any(is_proven_same(trial, other) for other in others)
            differs = bool(others) and not any(may_be_same(trial, other) for other in others)
            comparison.differ += differs
        return comparison

    def is_one_study(self) -> bool:
        return self.proven > self.differ

    def may_be_one_study(self) -> bool:
        """Return whether the two may be one study, despite a single conflict."""
        return self.differ <= max(self.proven, 1)


def may_be_same(one: Trial, other: Trial) -> bool:
    return are_compatible(one, other) or is_beginning(one, other) or is_beginning(other, one)


def is_proven_same(one: Trial, other: Trial) -> bool:
    """Return whether two rows have the same start, or the same end and equal parameters."""
    if NUMBERED_BY_ORDER in (*one.flags, *other.flags):
        return False
    if one.datetime_start is not None and one.datetime_start == other.datetime_start:
        return True
    shared = one.params.keys() & other.params.keys()
    ended = one.values and one.values == other.values and one.state == other.state
    return bool(shared and ended and are_compatible(one, other))


def are_compatible(one: Trial, other: Trial) -> bool:
    """Return whether all fields that both rows have are equal."""
    if (one.state, one.values) != (other.state, other.values):
        return one.state == other.state and not (one.values and other.values)
    times = (
        (one.datetime_start, other.datetime_start),
        (one.datetime_complete, other.datetime_complete),
    )
    return all(same_time(*pair) for pair in times) and same_params(one, other)


def is_beginning(one: Trial, other: Trial) -> bool:
    """Return whether a row was written while the trial of another row was running."""
    same_start = same_time(one.datetime_start, other.datetime_start)
    return one.state == "RUNNING" and same_params(one, other) and same_start


def same_time(one: datetime | None, other: datetime | None) -> bool:
    """Return whether two times, of a storage and of a log, may be the same.

    Journals hold times in UTC, logs local ones, perhaps of another zone than this machine's.
    """
    if one is None or other is None:
        return True
    apart = abs(one - other)
    return apart <= FARTHEST_ZONES and (apart + TOLERANCE) % QUARTER <= 2 * TOLERANCE


def same_params(one: Trial, other: Trial) -> bool:
    """Return whether the parameters that both rows have are equal."""
    shared = one.params.keys() & other.params.keys()
    return all(as_text(one.params[name]) == as_text(other.params[name]) for name in shared)


def as_text(value: Any) -> str:
    """Return a value as text for the comparison of formats: CSV has only text, JSON has no NaN."""
    is_lost = isinstance(value, float) and not math.isfinite(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(as_text, value))}]"  # a storage has no tuples
    return "None" if is_lost else str(value)


def add_result_row(study: Study, trial: Trial) -> None:
    """Add a row: a duplicate adds fields to the other row, a conflict is kept with a flag."""
    rows = study.trials.setdefault(trial.number, [])
    for index, other in enumerate(rows):
        if are_compatible(other, trial) or is_beginning(trial, other):
            add_missing_fields(other, trial)
            return
        if is_beginning(other, trial):
            add_missing_fields(trial, other)
            rows[index] = trial
            return
    trial.flags += [CONFLICTING] if rows else []
    rows.append(trial)


def add_missing_fields(trial: Trial, other: Trial) -> None:
    """Add the fields that only another row of the trial has."""
    trial.values = trial.values or (other.values if other.state == trial.state else ())
    trial.datetime_start = trial.datetime_start or other.datetime_start
    trial.datetime_complete = trial.datetime_complete or other.datetime_complete
    trial.params = {**other.params, **trial.params}
    trial.user_attrs = {**other.user_attrs, **trial.user_attrs}
    trial.intermediate_values = trial.intermediate_values or other.intermediate_values


def merge_stored(logs: list[Study], stored: Iterable[Study]) -> list[Study]:
    """Return the studies of logs and storages; a study that both hold is one study.

    They are one study if they have the same name, or the log none, and a trial proves it, or if
    the names are equal and no trial differs. Several logs may hold parts of it.
    """
    merged = list(logs)
    for study in stored:
        for trial in study.rows:
            forget_invented_times(trial)
        same = [other for other in merged if is_same_stored(other, study)]
        if len(same) > 1:
            same = [other for other in same if is_part(other, study)]
        for other in same:
            add_study(study, other)
        index = merged.index(same[0]) if same else len(merged)
        merged[index : index + len(same[:1])] = [study]
        merged = [other for other in merged if other not in same[1:]]
    return merged


def is_part(one: Study, stored: Study) -> bool:
    """Return whether a storage has all trials of a study, or a trial proves that they are one."""
    comparison = Comparison.of(stored, one.rows)
    has_all = comparison.differ == 0 and one.trials.keys() <= stored.trials.keys()
    return has_all or comparison.is_one_study()


def add_study(study: Study, other: Study) -> None:
    """Add a study of a log to the same study of a storage."""
    for trial in other.rows:
        add_result_row(study, trial)
    study.about = {**other.about, **study.about}
    study.remarks += other.remarks
    study.flags += [flag for flag in other.flags if flag not in study.flags]
    study.named_bests |= {
        number: value
        for number, value in other.named_bests.items()  # an older log names an older best
        if all(trial.value != value for trial in study.trials.get(number, ()))
    }


def is_same_stored(one: Study, stored: Study) -> bool:
    if "study" in one.about:  # a log of hpogen; its study has an id
        return False
    if one.optuna_name not in ("", stored.optuna_name):  # most pairs: trials are not compared
        return False
    comparison = Comparison.of(stored, one.rows)
    if one.optuna_name == stored.optuna_name:
        return comparison.is_one_study() or comparison.differ == 0
    return comparison.is_one_study()


def merge_result(study: Study, result: Study) -> None:
    """Merge a study of files of results into a study of the logs."""
    for trial in result.rows:
        add_result_row(study, trial)
    study.about = {**result.about, **study.about}
    study.remarks += result.remarks
    for number, value in result.named_bests.items():
        if all(value not in trial.values for trial in study.trials.get(number, ())):
            study.flags.append(BEST_CONFLICTS.format(number, value))


def damage_problems(results: Iterable[ResultStudy]) -> list[str]:
    """Return a sentence about the entries of a file that are not trials."""
    damaged = [reason for result in results for reason in result.damaged]
    return [f"entries left out: {len(damaged)}, such as {damaged[0]!r}"] if damaged else []
