"""Inputs: raw columns, standardised on training rows.

Each column loses the mean and the spread that it has over the training rows, the same for every
window.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hpo_script.families.market.model import PatchTST


def input_features(frame: pd.DataFrame, columns: Sequence[str], train_rows: int) -> np.ndarray:
    """Return the model's inputs, (rows, channels)."""
    table = frame[list(columns)].to_numpy(np.float64)
    train = table[:train_rows]
    return (table - train.mean(0)) / (train.std(0) + 1e-12)


Model = PatchTST  # windows as they are
