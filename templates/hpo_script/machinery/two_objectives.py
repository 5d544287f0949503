"""Two objectives: the sampler optimizes METRIC and SECOND_METRIC together.

A trial has the values of its best evaluation by METRIC. METRIC alone decides which trial is the
best, and which ones are rerun.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from hpo_script.constants import DIRECTION, METRIC, NAME, SECOND_DIRECTION, SECOND_METRIC
from hpo_script.experiment.shared import UnusableError
from hpo_script.machinery.enqueue_and_history import history_lines as lines_of_one_value
from hpo_script.machinery.log_file import say
from hpo_script.machinery.logged_study import LoggedStudy, LoggedTrial
from hpo_script.machinery.optuna_study import OptunaStudy as OneObjectiveStudy
from hpo_script.machinery.pareto_front import pareto_front
from hpo_script.machinery.results import say_result as say_best
from hpo_script.machinery.results import summary as one_summary


def values_of(trial: LoggedTrial) -> list[float]:
    """Return both values of a trial; [] if it is not complete, a rerun, or has no finite two."""
    values = [trial.value, trial.attributes.get(SECOND_METRIC)]
    known = [value for value in values if value is not None and math.isfinite(value)]
    counts = trial.state == "COMPLETE" and trial.rerun_of is None and len(known) == len(values)
    return known if counts else []


def front(study: LoggedStudy) -> list[LoggedTrial]:
    """Return the trials of the Pareto front, the best by METRIC first."""
    signs = [1 if way == "minimize" else -1 for way in (DIRECTION, SECOND_DIRECTION)]
    points = {
        trial.number: (signs[0] * values[0], signs[1] * values[1])
        for trial in study.ranked(DIRECTION)
        if (values := values_of(trial))
    }
    best = pareto_front(points.values())
    return [study.trials[number] for number, point in points.items() if point in best]


class OptunaStudy(OneObjectiveStudy):
    """An Optuna study that follows a log, with two values per trial."""

    def rebuild(self) -> None:
        self.storage = optuna.storages.InMemoryStorage()
        self.setup = {"storage": self.storage, "study_name": NAME}
        self.setup |= {"sampler": self.sampler, "pruner": self.pruner}
        self.study = optuna.create_study(directions=[DIRECTION, SECOND_DIRECTION], **self.setup)
        self.offset = 0
        self.logged.changed.update(self.logged.trials)
        self.update()

    def take(self, number: int, new: FrozenTrial) -> bool:
        """Add a trial; one that ended without two values, such as a pruned one, as failed."""
        if new.state.is_finished():
            values = values_of(self.logged.trials[number])
            new.state = TrialState.COMPLETE if values else TrialState.FAIL
            new.values = values or None
        return super().take(number, new)


def summary(study: LoggedStudy) -> dict[str, Any]:
    """Return the summary of a study, and the numbers of the trials on its front."""
    about = {"second_metric": SECOND_METRIC, "second_direction": SECOND_DIRECTION}
    return {**one_summary(study), **about, "pareto_front": [t.number for t in front(study)]}


def say_result(study: LoggedStudy) -> None:
    """Say which trial is the best by METRIC, and print the front."""
    say_best(study)
    if shown := [(str(t.number), *map("{:.6g}".format, values_of(t))) for t in front(study)]:
        say("Pareto front, the trials that no other one beats in both metrics:")
        rows = [("trial", METRIC, SECOND_METRIC), *shown]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            say(f"  {'  '.join(cells)}")


def history_lines(path: Path, about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Refuse the trials of --history, for their lines have one value."""
    if lines := lines_of_one_value(path, about):
        raise UnusableError(f"--history {path}: its trials have one value, this study needs two")
    return lines
