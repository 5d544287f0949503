"""Inputs: raw columns under instance normalisation, with the removed statistics as inputs.

RevIN (Kim et al. 2022) takes the spread out of every window, and with it the volatility, which is
most of what a threshold label depends on, and where in the window the last day lies. The model
gets both for each column, standardised by the training windows. It does not get the level: most
later days lie beyond any level of the training days.
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


def input_features(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Return the features of each row, (rows, channels): the columns unchanged."""
    return frame[list(columns)].to_numpy(np.float64)


def input_scale(train: np.ndarray) -> np.ndarray:
    """Return the scale of the channels, none: each window has its own."""
    return train[:0]


def scaled_inputs(features: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return the inputs of the model, (rows, channels): the features unchanged."""
    del scale
    return features


class Model(PatchTST):
    """PatchTST with instance normalisation of a window; each patch also gets the statistics."""

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
        """Return log relative spread and position of the last day, (batch, 2 channels)."""
        mean = x.mean(1)
        spread = x.std(1, unbiased=False) + 1e-5 * mean.abs() + 1e-12
        return torch.cat([(spread / (mean.abs() + 1e-8)).log(), (x[:, -1] - mean) / spread], 1)

    def patches(self, x: Tensor) -> Tensor:
        """Normalise windows, cut them into patches, and append the standardised statistics."""
        mean = x.mean(1, keepdim=True)
        spread = x.std(1, keepdim=True, unbiased=False) + 1e-5 * mean.abs() + 1e-12
        patches = super().patches((x - mean) / spread * self.scale + self.shift)
        statistics = (self.statistics(x) - self.center) / self.width
        return torch.cat([patches, statistics.unsqueeze(1).expand(-1, patches.shape[1], -1)], 2)
