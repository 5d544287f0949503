"""Gradient accumulation with the fusion of the trial."""

from __future__ import annotations

from torch import Tensor, nn

from hpo_script.experiment.shared import Config
from hpo_script.experiment.task import Task
from hpo_script.families.text.joint.model import choose_fusion


def accumulate(model: nn.Module, task: Task, batch: Tensor, config: Config, size: int) -> Tensor:
    """Add the gradient of the mean loss in micro-batches of `size`; return the loss, unsynced."""
    choose_fusion(model, config["fusion"])
    total = batch.new_zeros((), dtype=next(model.parameters()).dtype)
    for rows in batch.split(size):
        inputs, targets = task.training_batch(rows)
        share = len(rows) / len(batch)  # the last micro-batch may be smaller
        loss = share * task.loss(model(inputs), targets, config)
        loss.backward()
        total += loss.detach()
    return total
