"""Start features: returns of the last day, week and month, in units of the usual return."""

from __future__ import annotations

import numpy as np
import pandas as pd

ONE_FEATURE = "previous return"  # the first of the start features, a baseline of its own


def start_features(frame: pd.DataFrame) -> np.ndarray:
    """Return the start features, (rows, 3); 0 where the days before are missing."""
    close = frame["Close"].map(np.log)
    usual = close.diff().abs().ewm(span=22).mean() + 1e-6
    features = [close.diff(days) / (usual * days**0.5) for days in (1, 5, 22)]
    return np.nan_to_num(np.stack(features, 1))
