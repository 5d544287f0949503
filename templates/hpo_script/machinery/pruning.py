"""Pruning: the part of a trial that no pruner may cut."""

from __future__ import annotations

import itertools
import math

from hpo_script.experiment.shared import Config
from hpo_script.experiment.task import Task


def first_prunable(task: Task, config: Config) -> float:
    """Return the epoch or step from which a trial may be pruned: a share of its schedule.

    No trial is pruned during its warm-up, because trials with a shorter warm-up lead until then.
    """
    ends, sizes = zip(*task.intervals(config), strict=True)
    done = itertools.accumulate(sizes)
    warm = (end for end, n in zip(ends, done, strict=True) if n > config["warmup_steps"])
    return max(config["prune_from"] * ends[-1], next(warm, math.inf))
