"""Schedule: the peak until the end."""

from __future__ import annotations

from hpo_script.experiment.shared import Config


def constant_schedule(done: float, config: Config) -> float:
    """Return the learning rate over its peak, at a share of the training after the warm-up."""
    del done, config
    return 1.0
