"""Trials of a killed run that a later run resumed, without a line about the resume.

Study and number identify a trial. Lines of two runs about one number are one trial, unless they
conflict: different starts, different configurations, or two runs whose lines alternate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hpo_script.machinery.log_lines import ARCHITECTURE
from recover_trials.model import Study, Trial, compatible


@dataclass
class RunOrder:
    """Facts about the runs of a study that only the order of its lines shows.

    Attributes:
        ended_elsewhere: numbers of trials that started in one run and ended in another.
        handed_over: numbers of resumed trials, each with the run that another run replaced.
        alternating: numbers of trials with lines of one run after lines of another.
    """

    ended_elsewhere: set[int] = field(default_factory=set)
    handed_over: set[tuple[int, str | None]] = field(default_factory=set)
    alternating: set[int] = field(default_factory=set)


def join_resumed(study: Study, order: RunOrder) -> None:
    """Join the rows that several runs left of one trial; rows in conflict remain."""
    for number, rows in study.trials.items():
        joined = rows[:1]
        for part in rows[1:]:
            if is_duplicate_part(joined[-1], part):
                continue
            if is_resumed(joined[-1], part, order):
                append_curve(joined[-1], part)
            else:
                joined.append(part)
        study.trials[number] = joined


def is_part(trial: Trial) -> bool:
    """Return whether a row comes from evaluations, without a start or an end line."""
    return trial.state == "RUNNING" and trial.datetime_start is None


def is_duplicate_part(trial: Trial, part: Trial) -> bool:
    """Return whether a trial has all evaluations of a part."""
    same = all(trial.curve.get(step) == point for step, point in part.curve.items())
    return is_part(part) and same_architecture(trial, part) and bool(part.curve) and same


def is_resumed(trial: Trial, part: Trial, order: RunOrder) -> bool:
    """Return whether a part is the rest of a trial that another run started."""
    number = trial.number
    unfinished = trial.state == "RUNNING" or number in order.ended_elsewhere
    conflict = number in order.alternating or (number, part.run) in order.handed_over
    return is_part(part) and unfinished and not conflict and same_architecture(trial, part)


def same_architecture(trial: Trial, part: Trial) -> bool:
    """Return whether two rows have one architecture, which is on every evaluation line."""
    ours, theirs = ({**t.params, **t.user_attrs} for t in (trial, part))
    return all(compatible(ours.get(name), theirs.get(name)) for name in ARCHITECTURE)


def append_curve(trial: Trial, part: Trial) -> None:
    """Append the curve of a part; repeated evaluations replace the earlier ones."""
    first = min(part.curve, default=math.inf)
    earlier = {step: point for step, point in trial.curve.items() if step < first}
    trial.curve = {**earlier, **part.curve}
    trial.intermediate_values = {**trial.intermediate_values, **part.intermediate_values}
    if trial.state == "RUNNING":
        trial.run = part.run
        trial.user_attrs |= part.user_attrs
    else:
        trial.user_attrs["learning_curve"] = [trial.curve[step] for step in sorted(trial.curve)]
