"""Inputs: raw columns under instance normalisation, the removed statistics given back.

RevIN (Kim et al. 2022) takes the level and the spread out of every window, and with them the
volatility, which is most of what a threshold label depends on. Here the model is told both, as
two logarithms per column, standardised by the training windows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


def input_features(
    frame: pd.DataFrame, columns: Sequence[str], train_rows: int
) -> NDArray[np.float64]:
    """Return the model's inputs, (rows, channels): the columns as they are."""
    del train_rows
    return frame[list(columns)].to_numpy(np.float64)


class Inputs(nn.Module):
    """Instance normalisation of a window, with what it removed."""

    center: Tensor
    width: Tensor

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.n_statistics = 2 * n_channels
        self.scale = nn.Parameter(torch.ones(n_channels))
        self.shift = nn.Parameter(torch.zeros(n_channels))
        self.register_buffer("center", torch.zeros(self.n_statistics))
        self.register_buffer("width", torch.ones(self.n_statistics))

    def fit(self, windows: Tensor) -> None:
        """Take location and scale of the statistics from the training windows."""
        statistics = torch.cat(self.statistics(windows), 1)
        self.center.copy_(statistics.mean(0))
        self.width.copy_(statistics.std(0) + 1e-5)

    def statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return log level and log relative spread of each column, both (batch, channels)."""
        level = x.mean(1).abs() + 1e-8
        spread = x.std(1, unbiased=False) + 1e-8
        return level.log(), (spread / level).log()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (batch, days, channels) to the series and (batch, 2 channels) statistics."""
        mean = x.mean(1, keepdim=True)
        spread = x.std(1, keepdim=True, unbiased=False) + 1e-5 * mean.abs() + 1e-12
        statistics = (torch.cat(self.statistics(x), 1) - self.center) / self.width
        return (x - mean) / spread * self.scale + self.shift, statistics
