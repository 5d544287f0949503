"""Inputs: raw columns under reversible instance normalisation.

RevIN (Kim et al. 2022): each window loses its own mean and spread, then gets a learned scale and
shift per column. A label is no forecast of the column, so nothing is reversed at the output.
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
    """Instance normalisation of a window."""

    n_statistics = 0

    def __init__(self, n_channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n_channels))
        self.shift = nn.Parameter(torch.zeros(n_channels))

    def fit(self, windows: Tensor) -> None:
        """Learn nothing from the training windows."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (batch, days, channels) to the normalised series and (batch, 0) statistics."""
        mean = x.mean(1, keepdim=True)
        spread = x.std(1, keepdim=True, unbiased=False) + 1e-5 * mean.abs() + 1e-12
        return (x - mean) / spread * self.scale + self.shift, x.new_zeros(len(x), 0)
