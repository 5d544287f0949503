"""Inputs: scale-free daily features, standardised on training rows.

Prices become log ratios to the previous close. Volume becomes its log ratio to its mean over the
past 20 days. The daily range, ln(High / Low), is added. Other columns are unchanged. Windows are
not normalised one by one, so the volatility stays in the inputs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hpo_script.families.market.model import PatchTST


def input_features(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Return the features of each row, (rows, channels); the ratios of the first row are NaN."""
    features: dict[str, pd.Series] = {}
    for column in columns:
        values = frame[column]
        if column in ("Open", "High", "Low", "Close", "Adj Close"):
            before = frame["Adj Close" if column == "Adj Close" else "Close"].shift(1)
            values = (values / before).map(np.log)
        elif column == "Volume":
            mean = values.rolling(20, min_periods=1).mean()
            values = ((values + 1) / (mean + 1)).map(np.log)
        features[column] = values
    features["range"] = (frame["High"] / frame["Low"]).map(np.log)
    return pd.DataFrame(features).to_numpy(np.float64)


def input_scale(train: np.ndarray) -> np.ndarray:
    """Return mean and standard deviation of each channel over training rows, (2, channels)."""
    return np.stack([train[1:].mean(0), train[1:].std(0) + 1e-12])


def scaled_inputs(features: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return the inputs of the model, (rows, channels); ratios of the first row are 0."""
    standard = (features - scale[0]) / scale[1]
    standard[0] = np.nan_to_num(standard[0])
    return np.clip(standard, -10.0, 10.0)  # a day without volume is an extreme outlier


Model = PatchTST  # windows unchanged
