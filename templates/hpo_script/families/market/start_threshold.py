"""Start features: what a threshold label depends on most, from the days up to each row.

The log of the usual daily range, and how far the Close is below the highest High of a week and of
a month, in units of that range. Everything is a ratio of prices, so the scale does not matter.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

ONE_FEATURE = "daily range"  # the first of the start features, a baseline of its own


def start_features(frame: pd.DataFrame) -> np.ndarray:
    """Return the start features, (rows, 3)."""
    usual = (frame["High"] / frame["Low"]).map(np.log).ewm(span=10).mean() + 1e-6
    features = [usual.map(np.log)]
    for days in (5, 22):
        highest = frame["High"].rolling(days, min_periods=1).max()
        features.append((highest / frame["Close"]).map(np.log) / usual)
    return np.stack(features, 1)
