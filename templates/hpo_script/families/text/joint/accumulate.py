"""Gradient accumulation with the fusion of the trial."""

from __future__ import annotations

from torch import Tensor

from hpo_script.experiment.accumulate_mean import accumulate as accumulate_mean
from hpo_script.experiment.shared import Config
from hpo_script.experiment.task import Task
from hpo_script.families.text.joint.model import LabelSpanModel


def accumulate(
    model: LabelSpanModel, task: Task, batch: Tensor, config: Config, size: int
) -> Tensor:
    """Set the fusion; add the gradient of a batch as `accumulate_mean` does."""
    model.choose_fusion(config["fusion"])
    return accumulate_mean(model, task, batch, config, size)
