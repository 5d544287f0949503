"""Labels: will the Close be higher after the horizon?"""

from __future__ import annotations

import numpy as np
import pandas as pd


def make_labels(frame: pd.DataFrame, *, task: str, horizon: int) -> np.ndarray:
    """Return Close[t+horizon] > Close[t] for each row, NaN at the end."""
    del task
    close = frame["Close"]
    labels = (close.shift(-horizon) > close).astype(np.float64)
    labels.iloc[-horizon:] = np.nan
    return labels.to_numpy()
