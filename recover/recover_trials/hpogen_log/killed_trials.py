"""Trials that a later run went on with, where the line that says so is lost.

A trial is known by its study and its number. What two runs tell of one number is one trial, unless
they contradict each other: another start, another configuration, two runs at work by turns.
"""

from __future__ import annotations

import math

from hpo_script.machinery.trial_log import ARCHITECTURE
from recover_trials.model import Study, Trial, agree


class Known:
    """What the order of lines says of the trials of a study.

    Attributes:
        ended: trials whose end another run told than the one that started them.
        left: trials that a run left to another, by a line of that, with the run.
        apart: trials that a run told of behind another.
    """

    def __init__(self) -> None:
        self.ended: set[int] = set()
        self.left: set[tuple[int, str | None]] = set()
        self.apart: set[int] = set()


def join_runs(study: Study, known: Known) -> None:
    """Make one trial of what several runs tell of a number, as far as nothing contradicts."""
    for number, told in study.trials.items():
        if len(told) > 1:
            kept = told[:1]
            for trial in told[1:]:
                if not repeats(kept[-1], trial):
                    if goes_on(kept[-1], trial, known):
                        go_on(kept[-1], trial)
                    else:
                        kept.append(trial)
            study.trials[number] = kept


def is_part(trial: Trial) -> bool:
    """Tell whether only evaluations tell of a trial: neither its start nor its end."""
    return trial.state == "RUNNING" and trial.datetime_start is None


def repeats(trial: Trial, part: Trial) -> bool:
    """Tell whether all that is told of a part was told of a trial."""
    same = all(trial.curve.get(step) == point for step, point in part.curve.items())
    return is_part(part) and agrees(trial, part) and bool(part.curve) and same


def goes_on(trial: Trial, part: Trial, known: Known) -> bool:
    """Tell whether a part can only be of a trial that another run began."""
    number = trial.number
    behind = trial.state == "RUNNING" or number in known.ended
    apart = number in known.apart or (number, part.run) in known.left
    return is_part(part) and behind and not apart and agrees(trial, part)


def agrees(trial: Trial, part: Trial) -> bool:
    """Tell whether two have the same architecture, which is all that evaluations repeat."""
    ours, theirs = ({**t.params, **t.user_attrs} for t in (trial, part))
    return all(agree(ours.get(name), theirs.get(name)) for name in ARCHITECTURE)


def go_on(trial: Trial, part: Trial) -> None:
    """Add the curve of a part: what was evaluated again takes the place of what was told."""
    first = min(part.curve, default=math.inf)
    earlier = {step: point for step, point in trial.curve.items() if step < first}
    trial.curve = {**earlier, **part.curve}
    trial.intermediate_values = {**trial.intermediate_values, **part.intermediate_values}
    if trial.state == "RUNNING":
        trial.run = part.run
        trial.user_attrs |= part.user_attrs
    else:
        trial.user_attrs["learning_curve"] = [trial.curve[step] for step in sorted(trial.curve)]
