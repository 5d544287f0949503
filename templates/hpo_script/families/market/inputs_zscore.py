"""Inputs: raw columns, standardised on training rows.

Each column is shifted by its mean and divided by its standard deviation over the training rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hpo_script.families.market.model import PatchTST


def input_features(frame: pd.DataFrame, columns: Sequence[str], train_rows: int) -> np.ndarray:
    """Return the inputs of the model, (rows, channels)."""
    table = frame[list(columns)].to_numpy(np.float64)
    train = table[:train_rows]
    return (table - train.mean(0)) / (train.std(0) + 1e-12)


Model = PatchTST  # windows unchanged
