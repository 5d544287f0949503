"""Gradient accumulation: micro-batches that add up to the gradient of the whole batch."""

from __future__ import annotations

from torch import Tensor, nn

from hpo_script.experiment.shared import Config
from hpo_script.experiment.task import Task


def accumulate(
    model: nn.Module, task: Task, batch: Tensor, config: Config, micro_batch: int
) -> Tensor:
    """Add the gradient of the batch's mean loss; return the loss (on the device, no sync)."""
    total = batch.new_zeros((), dtype=next(model.parameters()).dtype)
    for indices in batch.split(micro_batch):
        inputs, targets = task.training_batch(indices)
        share = len(indices) / len(batch)  # of this micro-batch: the last may be smaller
        loss = share * task.loss(model(inputs), targets, config)
        loss.backward()
        total += loss.detach()
    return total
