"""Which files of results are one study, and which study of the logs that is.

Numbers alone prove nothing: every study has a trial 0. A study id does, and so does a trial that
both tell in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from recover_trials.files.json_results import Imported
from recover_trials.model import BY_ORDER, TWICE, Study, Trial

# Optuna's line is printed right after the end that the storage has.
TOLERANCE = timedelta(seconds=60)
SEVERAL = "several studies tell the same trials; which one these are is not known"
NO_NUMBER = "a file calls {0} the best value, of no number"
OTHER_BEST = "a file calls trial {0} the best with {1}"


class Imports:
    """Takes files of results; knows which are one study."""

    def __init__(self) -> None:
        self.studies: list[Study] = []
        self.by_folder: dict[str, list[Study]] = {}

    def add(self, found: Iterable[Imported], source: str) -> None:
        """Take the studies that a file tells: each is another one."""
        taken: list[Study] = []
        for told in found:
            study = self.find(told, source, taken)
            taken.append(study)
            self.take(study, told)

    def take(self, study: Study, told: Imported) -> None:
        """Add what a file tells to its study."""
        study.about = {**told.about, **study.about}
        for trial in told.trials:
            add_trial(study, trial)
        if told.best and told.best[0] is not None:
            study.told[told.best[0]] = told.best[1]
        elif told.best and all(told.best[1] not in trial.values for trial in study.rows):
            study.remarks.append(NO_NUMBER.format(told.best[1]))

    def find(self, told: Imported, source: str, taken: list[Study]) -> Study:
        """Return the study that a file belongs to, a new one if it is of none."""
        folder = folder_of(source)
        if told.numbered:
            everywhere = [s for s in self.studies if same_id(s.about, told.about)]
            found = everywhere or self.of_folder(told, folder)
            found = [study for study in found if study not in taken]
            if found:
                return found[0]
        name = str(told.about.get("study_name") or told.about.get("name") or Path(folder).name)
        study = Study(f"{source}#imported {len(self.studies) + 1}", name, source)
        self.studies.append(study)
        if told.numbered:
            self.by_folder.setdefault(folder, []).append(study)
        return study

    def of_folder(self, told: Imported, folder: str) -> list[Study]:
        """Return the study of a folder that a file belongs to, if there is one and only one."""
        here = [s for s in self.by_folder.get(folder, ()) if fits(s.about, told.about)]
        here = [s for s in here if Agreement.of(s, told.trials).may_be_one()]
        unnamed = [s for s in here if not s.about]
        return here if len(here) == 1 else unnamed

    def merge_into(self, studies: list[Study]) -> list[Study]:
        """Return the studies of the logs, completed, and those that only files tell."""
        found = list(studies)
        for imported in self.studies:
            if not imported.trials:
                continue
            known = [s for s in studies if same_id(s.about, imported.about)]
            known = known or [s for s in studies if Agreement.of(s, imported.rows).is_one()]
            if len(known) == 1:
                absorb(known[0], imported)
                continue
            imported.flags += [SEVERAL] * bool(known)
            found.append(imported)
        return found


def folder_of(source: str) -> str:
    """Return the folder of a study, from the path of one of its files."""
    parent = Path(source).absolute().parent
    return str(parent.parent if parent.name == "trials" else parent)


def same_id(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether two name the same study id."""
    return one.get("study") is not None and one.get("study") == other.get("study")


def fits(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Tell whether two files of a folder may be of one study."""
    names = ("study", "name", "study_name", "budget", "horizon")
    return all(one[n] == other[n] for n in names if n in one and n in other)


@dataclass
class Agreement:
    """How many trials of two studies are proven to be one, and how many differ."""

    proven: int = 0
    differ: int = 0

    @classmethod
    def of(cls, study: Study, trials: Iterable[Trial]) -> Agreement:
        """Compare the trials of the same numbers."""
        found = cls()
        for trial in trials:
            others = study.trials.get(trial.number, ())
            found.proven += any(proven(trial, other) for other in others)
            found.differ += bool(others) and not any(repeats(trial, other) for other in others)
        return found

    def is_one(self) -> bool:
        """Tell whether the two are proven to be one study."""
        return self.proven > self.differ

    def may_be_one(self) -> bool:
        """Tell whether nothing speaks against one study; one trial may be told in two ways."""
        return self.differ <= max(self.proven, 1)


def repeats(one: Trial, other: Trial) -> bool:
    """Tell whether two tellings may be of one trial."""
    return same(one, other) or goes_on(one, other) or goes_on(other, one)


def proven(one: Trial, other: Trial) -> bool:
    """Tell whether two tellings can only be of one trial."""
    if BY_ORDER in (*one.flags, *other.flags):
        return False
    if one.datetime_start is not None and one.datetime_start == other.datetime_start:
        return True
    shared = one.params.keys() & other.params.keys()
    ended = one.values and one.values == other.values and one.state == other.state
    return bool(shared and ended and same(one, other))


def same(one: Trial, other: Trial) -> bool:
    """Tell whether nothing that two tell of a trial differs."""
    if (one.state, one.values) != (other.state, other.values):
        return one.state == other.state and not (one.values and other.values)
    times = (
        (one.datetime_start, other.datetime_start),
        (one.datetime_complete, other.datetime_complete),
    )
    return all(near(*pair) for pair in times) and same_params(one, other)


def near(one: datetime | None, other: datetime | None) -> bool:
    """Tell whether two times may be one, told by a study and by its log."""
    return one is None or other is None or abs(one - other) <= TOLERANCE


def same_params(one: Trial, other: Trial) -> bool:
    """Tell whether the parameters that both tell are the same."""
    shared = one.params.keys() & other.params.keys()
    return all(as_told(one.params[name]) == as_told(other.params[name]) for name in shared)


def as_told(value: Any) -> str:
    """Return a value as every file can tell it: CSV has text alone, JSON no NaN."""
    lost = isinstance(value, float) and not math.isfinite(value)
    return "None" if lost else str(value)


def goes_on(begun: Trial, other: Trial) -> bool:
    """Tell whether one is the beginning of the other."""
    return (
        begun.state == "RUNNING"
        and same_params(begun, other)
        and (near(begun.datetime_start, other.datetime_start))
    )


def add_trial(study: Study, trial: Trial) -> None:
    """Add a telling of a trial: a repeat completes the other, a differing one is kept, flagged."""
    told = study.trials.setdefault(trial.number, [])
    for index, other in enumerate(told):
        if same(other, trial) or goes_on(trial, other):
            complete(other, trial)
            return
        if goes_on(other, trial):
            complete(trial, other)
            told[index] = trial
            return
    trial.flags += [TWICE] if told else []
    told.append(trial)


def complete(trial: Trial, other: Trial) -> None:
    """Take what only the other telling has."""
    trial.values = trial.values or (other.values if other.state == trial.state else ())
    trial.datetime_start = trial.datetime_start or other.datetime_start
    trial.datetime_complete = trial.datetime_complete or other.datetime_complete
    trial.params = {**other.params, **trial.params}
    trial.user_attrs = {**other.user_attrs, **trial.user_attrs}
    trial.intermediate_values = trial.intermediate_values or other.intermediate_values


def absorb(study: Study, imported: Study) -> None:
    """Add an imported study to the one that it is."""
    for trial in imported.rows:
        add_trial(study, trial)
    study.about = {**imported.about, **study.about}
    study.remarks += imported.remarks
    for number, value in imported.told.items():
        if all(value not in trial.values for trial in study.trials.get(number, ())):
            study.flags.append(OTHER_BEST.format(number, value))


def complaints(told: Iterable[Imported]) -> list[str]:
    """Return a sentence on entries that are no trials."""
    damaged = [reason for one in told for reason in one.damaged]
    return [f"entries left out: {len(damaged)}, such as {damaged[0]!r}"] if damaged else []
