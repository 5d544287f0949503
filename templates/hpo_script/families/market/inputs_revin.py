"""Inputs: raw columns under reversible instance normalisation.

RevIN (Kim et al. 2022) subtracts the mean of each window and divides by its spread, then applies a
learned scale and shift per column. The output is a label, not a column, so it is not reversed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from hpo_script.experiment.shared import Arch
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
    """PatchTST with instance normalisation of a window."""

    def __init__(self, arch: Arch, dropout: float, windows: Tensor) -> None:
        super().__init__(arch, dropout, windows)
        self.scale = nn.Parameter(torch.ones(windows.shape[2]))
        self.shift = nn.Parameter(torch.zeros(windows.shape[2]))

    def patches(self, x: Tensor) -> Tensor:
        """Normalise windows and cut them into patches."""
        mean = x.mean(1, keepdim=True)
        spread = x.std(1, keepdim=True, unbiased=False) + 1e-5 * mean.abs() + 1e-12
        return super().patches((x - mean) / spread * self.scale + self.shift)
