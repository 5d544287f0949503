"""Studies of hpogen scripts, from lines that each name their study, run and trial.

Two copies of one trial become one row or a conflict: `Version2.branch_of_start`.
"""

from __future__ import annotations

from recover_trials.hpogen_log.hpogen_lines import Event, UnparsedEvaluation
from recover_trials.hpogen_log.trials_version1 import Version1
from recover_trials.hpogen_log.trials_version2 import Version2, is_version2
from recover_trials.hpogen_log.version1_lines import RESUMED
from recover_trials.model import Study, Trial
from recover_trials.optuna_log.optuna_lines import Result


class HpogenStudies:
    """Folds events, in the order of their lines, by the version of their study."""

    def __init__(self) -> None:
        self.studies: dict[str, Study] = {}
        self.version1 = Version1()
        self.version2: dict[str, Version2] = {}
        # Events of studies whose version no line has shown so far; `version1` folds them, too.
        self.undecided: dict[str, list[Event]] = {}
        self.source = ""
        self.in_file: set[str] = set()  # keys of the studies with lines in this file

    def open_source(self, name: str) -> None:
        """Begin a file."""
        self.source, self.in_file = name, set()

    def add(self, event: Event) -> None:
        """Fold an event."""
        key = event.fields["study"]
        self.in_file.add(key)
        if key not in self.studies:
            self.studies[key] = Study(key, key, self.source)
            self.undecided[key] = []
        if key in self.undecided:
            self.decide(key, event)
        if version2 := self.version2.get(key):
            version2.add(event)
        else:
            self.version1.add(self.studies[key], event)

    def decide(self, key: str, event: Event) -> None:
        """Decide the version of a study; fold its earlier events again if it is version 2."""
        if is_version2(event):
            study = self.studies[key] = Study(key, key, self.studies[key].source)
            self.version2[key] = Version2(study)
            for earlier in self.undecided.pop(key):
                self.version2[key].add(earlier)
        elif event.name in ("run_start", RESUMED):
            del self.undecided[key]
        else:
            self.undecided[key].append(event)

    def evaluate(self, line: UnparsedEvaluation) -> None:
        """Fold the line of an evaluation."""
        if version2 := self.version2.get(line.study):
            self.in_file.add(line.study)
            version2.evaluate(line.trial, line.run, line)
        elif event := line.parse():
            self.add(event)

    def update(self) -> None:
        """Update the rows of all studies."""
        for version2 in self.version2.values():
            version2.update()

    def finished(self) -> list[Study]:
        """Return the studies that have trials; call it after the last line."""
        self.update()
        for key, study in self.studies.items():
            if key not in self.version2:
                self.version1.finish(study)
        return [study for study in self.studies.values() if study.trials]

    def claims(self, result: Result) -> bool:
        """Return whether Optuna's line belongs to a study of this file; if so, end its trial.

        Scripts of version 1 logged Optuna's line besides their own: it replaces a lost end line.
        In a log of several studies, the line does not show which study it belongs to.
        """
        if len(self.in_file) > 1:
            return True
        key = next(iter(self.in_file))
        if key in self.version2:
            return False
        study = self.studies[key]
        if any(
            matches_optuna_line(trial, result)
            for trial in study.trials.get(result.number or 0, ())
        ):
            return True
        space = study.about.get("search_space")
        if space is not None and result.params and not result.params.keys() <= {*space}:
            return False
        rows = study.trials.setdefault(result.number or 0, [])
        if not rows:
            rows.append(Trial(result.number or 0))
        if rows[-1].state == "RUNNING":
            end_by_optuna_line(rows[-1], result)
            return True
        return any(
            trial.state == result.state and result.values in ((), trial.values) for trial in rows
        )


def matches_optuna_line(trial: Trial, result: Result) -> bool:
    end = (result.state, result.values, result.params)
    return (trial.state, trial.values, trial.params) == end


def end_by_optuna_line(trial: Trial, result: Result) -> None:
    """End a trial, whose own end line is missing, by Optuna's line."""
    trial.state, trial.values = result.state, result.values
    trial.datetime_complete = result.time
    trial.params.update(result.params or {})
    if result.error:
        trial.user_attrs.setdefault("error", result.error)
