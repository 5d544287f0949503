"""Start: a logistic regression on the start features of the last day.

The model is added to it, with a head of zeros: before the first step it predicts what the
regression predicts, and training continues from there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class StartedModel(nn.Module):
    """The sum of a logistic regression and a model; `weights` end with the bias."""

    def __init__(self, model: nn.Module, weights: Tensor) -> None:
        super().__init__()
        self.model, self.n_features = model, len(weights) - 1
        self.start = nn.Linear(self.n_features, 1)
        with torch.no_grad():
            self.start.weight.copy_(weights[None, :-1])
            self.start.bias.copy_(weights[-1:])
        nn.init.zeros_(model.get_parameter("head.weight"))

    def forward(self, x: Tensor) -> Tensor:
        """Map windows (batch, days, channels) to logits (batch,)."""
        start = self.start(x[:, -1, -self.n_features :]).squeeze(1)
        return start + self.model(x[:, :, : -self.n_features])
