"""Studies of search scripts: every line names its study, run and trial."""

from __future__ import annotations

from recover_trials.hpogen_log.fold_version1 import Version1
from recover_trials.hpogen_log.fold_version2 import Version2, is_version2
from recover_trials.hpogen_log.hpogen_lines import Event, Unread
from recover_trials.hpogen_log.version1_lines import RESUMED
from recover_trials.model import Study, Trial
from recover_trials.optuna_log.optuna_lines import Result


class OwnStudies:
    """Takes events in the order of their lines; keeps what they say of each study."""

    def __init__(self) -> None:
        self.studies: dict[str, Study] = {}
        self.first = Version1()
        self.second: dict[str, Version2] = {}
        # Lines of studies whose version no line has named so far; `first` has them, too.
        self.unsure: dict[str, list[Event]] = {}
        self.source = ""
        self.here: set[str] = set()  # studies with lines in this file

    def open_source(self, name: str) -> None:
        """Begin a file."""
        self.source, self.here = name, set()

    def add(self, event: Event) -> None:
        """Take an event."""
        key = event.fields["study"]
        self.here.add(key)
        if key not in self.studies:
            self.studies[key] = Study(key, key, self.source)
            self.unsure[key] = []
        if key in self.unsure:
            self.decide(key, event)
        if known := self.second.get(key):
            known.add(event)
        else:
            self.first.add(self.studies[key], event)

    def decide(self, key: str, event: Event) -> None:
        """Find out whether a study is of version 2; then take its lines again."""
        if is_version2(event):
            study = self.studies[key] = Study(key, key, self.studies[key].source)
            self.second[key] = Version2(study)
            for earlier in self.unsure.pop(key):
                self.second[key].add(earlier)
        elif event.name in ("run_start", RESUMED):
            del self.unsure[key]
        else:
            self.unsure[key].append(event)

    def evaluate(self, said: Unread) -> None:
        """Take the line of an evaluation."""
        if known := self.second.get(said.study):
            self.here.add(said.study)
            known.evaluate(said.trial, said.run, said)
        elif event := said.read():
            self.add(event)

    def update(self) -> None:
        """Bring the rows of all studies up to date."""
        for known in self.second.values():
            known.update()

    def found(self) -> list[Study]:
        """Return the studies that have trials, when all lines are taken."""
        self.update()
        for key, study in self.studies.items():
            if key not in self.second:
                self.first.finish(study)
        return [study for study in self.studies.values() if study.trials]

    def takes(self, result: Result) -> bool:
        """Tell whether Optuna's line belongs to a study of this file; complete it if it does.

        A script of version 1 logged it besides its own line: it counts where that is lost. In a
        log of several studies nothing tells whose it is.
        """
        if len(self.here) > 1:
            return True
        key = next(iter(self.here))
        if key in self.second:
            return False
        study = self.studies[key]
        if any(same_end(trial, result) for trial in study.trials.get(result.number or 0, ())):
            return True
        searched = study.about.get("search_space")
        if searched is not None and result.params and not result.params.keys() <= {*searched}:
            return False
        told = study.trials.setdefault(result.number or 0, [])
        if not told:
            told.append(Trial(result.number or 0))
        if told[-1].state == "RUNNING":
            complete(told[-1], result)
            return True
        return any(
            trial.state == result.state and result.values in ((), trial.values) for trial in told
        )


def same_end(trial: Trial, result: Result) -> bool:
    """Tell whether Optuna's line says what is known of a trial, whose parameters they may be."""
    said = (result.state, result.values, result.params)
    return (trial.state, trial.values, trial.params) == said


def complete(trial: Trial, result: Result) -> None:
    """Take what Optuna's line tells of a trial whose own end line is lost."""
    trial.state, trial.values = result.state, result.values
    trial.datetime_complete = result.time
    trial.params.update(result.params or {})
    if result.error:
        trial.user_attrs.setdefault("error", result.error)
