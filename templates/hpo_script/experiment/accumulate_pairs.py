"""Gradient accumulation for a loss over pairs of samples, which is not a mean over samples.

A first pass computes the outputs of all micro-batches. The loss of the whole batch gives the
gradient at each output. A second pass with the same dropout propagates it to the weights (Gao et
al. 2021, arXiv:2101.06983).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hpo_script.experiment.shared import Config
from hpo_script.experiment.task import Task


def accumulate(model: nn.Module, task: Task, batch: Tensor, config: Config, size: int) -> Tensor:
    """Add the gradient of the batch's loss in micro-batches of `size`; return the loss."""
    micro_batches = [task.training_batch(indices) for indices in batch.split(size)]
    seeds = torch.randint(2**62, (len(micro_batches),)).tolist()

    def forward(index: int) -> Tensor:
        torch.manual_seed(seeds[index])
        return model(micro_batches[index][0])

    with torch.no_grad():
        outputs = torch.cat([forward(index) for index in range(len(micro_batches))])
    outputs.requires_grad_()
    loss = task.loss(outputs, torch.cat([targets for _, targets in micro_batches]), config)
    (gradient,) = torch.autograd.grad(loss, outputs)
    for index, part in enumerate(gradient.split(size)):
        forward(index).backward(part)
    return loss.detach()
