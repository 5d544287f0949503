"""Schedule: a power of the rest of the training."""

from __future__ import annotations

from hpo_script.experiment.shared import Config


def polynomial_schedule(done: float, config: Config) -> float:
    """Return the learning rate over its peak, at a share of the training after the warm-up."""
    floor = config["min_lr_ratio"]
    return float(floor + (1 - floor) * (1 - done) ** config["schedule_power"])
