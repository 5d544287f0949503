"""Inputs: raw columns, standardised on training rows.

Each column is shifted by its mean and divided by its standard deviation over the training rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hpo_script.families.market.model import PatchTST


def input_features(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Return the features of each row, (rows, channels)."""
    return frame[list(columns)].to_numpy(np.float64)


def input_scale(train: np.ndarray) -> np.ndarray:
    """Return mean and standard deviation of each channel over training rows, (2, channels)."""
    return np.stack([train.mean(0), train.std(0) + 1e-12])


def scaled_inputs(features: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return the inputs of the model, (rows, channels)."""
    return (features - scale[0]) / scale[1]


Model = PatchTST  # windows unchanged
