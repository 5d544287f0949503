"""Learning rate of each step: linear warm-up, then the schedule of the trial."""

from __future__ import annotations

from hpo_script.experiment.shared import Config
from hpo_script.families.text.schedules import SCHEDULES


def learning_rate(step: int, total: float, config: Config) -> float:
    """Return the learning rate of a step, counted from 0, of `total` steps."""
    peak, warmup = config["learning_rate"], config["warmup_steps"]
    if step < warmup:
        return float(peak * (step + 1) / warmup)
    done = min((step - warmup) / max(total - warmup, 1), 1)
    return float(peak * SCHEDULES[config["schedule"]](done, config))
