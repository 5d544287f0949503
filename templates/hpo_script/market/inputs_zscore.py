"""Inputs: raw columns, standardised on training rows.

Each column loses the mean and the spread that it has over the training rows, the same for every
window.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor, nn


def input_features(
    frame: pd.DataFrame, columns: Sequence[str], train_rows: int
) -> NDArray[np.float64]:
    """Return the model's inputs, (rows, channels)."""
    table = frame[list(columns)].to_numpy(np.float64)
    train = table[:train_rows]
    return (table - train.mean(0)) / (train.std(0) + 1e-12)


class Inputs(nn.Module):
    """Windows as they are."""

    n_statistics = 0

    def __init__(self, _n_channels: int) -> None:
        super().__init__()

    def fit(self, windows: Tensor) -> None:
        """Learn nothing from the training windows."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the window, (batch, days, channels), and (batch, 0) statistics."""
        return x, x.new_zeros(len(x), 0)
