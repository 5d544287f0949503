"""Inputs: raw columns under instance normalisation, with the removed statistics as inputs.

RevIN (Kim et al. 2022) removes the level and the spread of each window, and so the volatility, on
which a threshold label depends most. Here both are inputs of every patch: two logarithms per
column, standardised on the training windows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from hpo_script.experiment.shared import Arch
from hpo_script.families.market.constants import PATCH_LENGTH
from hpo_script.families.market.model import PatchTST


def input_features(frame: pd.DataFrame, columns: Sequence[str], train_rows: int) -> np.ndarray:
    """Return the inputs of the model, (rows, channels): the columns unchanged."""
    del train_rows
    return frame[list(columns)].to_numpy(np.float64)


class Model(PatchTST):
    """PatchTST with instance normalisation, whose statistics are inputs of each patch."""

    inputs_per_channel = PATCH_LENGTH + 2
    center: Tensor
    width: Tensor

    def __init__(self, arch: Arch, dropout: float, windows: Tensor) -> None:
        super().__init__(arch, dropout, windows)
        self.scale = nn.Parameter(torch.ones(windows.shape[2]))
        self.shift = nn.Parameter(torch.zeros(windows.shape[2]))
        statistics = self.statistics(windows.to(self.positions.device))
        self.register_buffer("center", statistics.mean(0))
        self.register_buffer("width", statistics.std(0) + 1e-5)

    def statistics(self, x: Tensor) -> Tensor:
        """Return the log level and log relative spread of each column, (batch, 2 channels)."""
        level = x.mean(1).abs() + 1e-8
        spread = x.std(1, unbiased=False) + 1e-8
        return torch.cat([level.log(), (spread / level).log()], 1)

    def patches(self, x: Tensor) -> Tensor:
        """Normalise windows, cut them into patches, and append the standardised statistics."""
        mean = x.mean(1, keepdim=True)
        spread = x.std(1, keepdim=True, unbiased=False) + 1e-5 * mean.abs() + 1e-12
        patches = super().patches((x - mean) / spread * self.scale + self.shift)
        statistics = (self.statistics(x) - self.center) / self.width
        return torch.cat([patches, statistics.unsqueeze(1).expand(-1, patches.shape[1], -1)], 2)
