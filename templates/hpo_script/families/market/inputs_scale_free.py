"""Inputs: scale-free daily features, standardised on training rows.

Prices become log ratios to the previous close, volume its log ratio to its own mean over the past
20 days; the day's range, ln(High / Low), is added. Nothing is normalised per window, so the level
of volatility stays visible. Other columns are used as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hpo_script.families.market.model import PatchTST


def input_features(frame: pd.DataFrame, columns: Sequence[str], train_rows: int) -> np.ndarray:
    """Return the model's inputs, (rows, channels); the first row has no previous day: 0."""
    features: dict[str, pd.Series] = {}
    for column in columns:
        values = frame[column]
        if column in ("Open", "High", "Low", "Close", "Adj Close"):
            before = frame["Adj Close" if column == "Adj Close" else "Close"].shift(1)
            values = (values / before).map(np.log)
        elif column == "Volume":
            usual = values.rolling(20, min_periods=1).mean()
            values = ((values + 1) / (usual + 1)).map(np.log)
        features[column] = values
    features["range"] = (frame["High"] / frame["Low"]).map(np.log)
    table = pd.DataFrame(features).to_numpy(np.float64)
    train = table[1:train_rows]
    standard = (table - train.mean(0)) / (train.std(0) + 1e-12)
    standard[0] = np.nan_to_num(standard[0])  # it has no day before
    return np.clip(standard, -10.0, 10.0)  # a day without volume is far out, but only one day


Model = PatchTST  # windows as they are
