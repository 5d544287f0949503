"""Gradient accumulation: the gradients of micro-batches add up to the batch gradient."""

from __future__ import annotations

from torch import Tensor, nn

from hpo_script.experiment.shared import Config
from hpo_script.experiment.task import Task


def accumulate(model: nn.Module, task: Task, batch: Tensor, config: Config, size: int) -> Tensor:
    """Add the gradient of the mean loss in micro-batches of `size`; return the loss, unsynced."""
    total = batch.new_zeros((), dtype=next(model.parameters()).dtype)
    for indices in batch.split(size):
        inputs, targets = task.training_batch(indices)
        share = len(indices) / len(batch)  # the last micro-batch may be smaller
        loss = share * task.loss(model(inputs), targets, config)
        loss.backward()
        total += loss.detach()
    return total
