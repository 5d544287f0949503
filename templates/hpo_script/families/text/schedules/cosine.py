"""Schedule: half a cosine."""

from __future__ import annotations

import math

from hpo_script.experiment.shared import Config


def cosine_schedule(done: float, config: Config) -> float:
    """Return the learning rate over its peak, at a share of the training after the warm-up."""
    floor = config["min_lr_ratio"]
    return float(floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done)))
