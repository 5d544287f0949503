"""Start: random weights; the start features serve the baselines only."""

from __future__ import annotations

from torch import Tensor, nn


class StartedModel(nn.Module):
    """A model that does not get the start features, the last channels of a window."""

    def __init__(self, model: nn.Module, weights: Tensor) -> None:
        super().__init__()
        self.model, self.n_features = model, len(weights) - 1

    def forward(self, x: Tensor) -> Tensor:
        """Map windows (batch, days, channels) to logits (batch,)."""
        logits: Tensor = self.model(x[:, :, : -self.n_features])
        return logits
