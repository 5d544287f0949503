"""Labels: is the Close higher after the horizon?"""

from __future__ import annotations

import numpy as np
import pandas as pd


def make_labels(frame: pd.DataFrame, *, task: str, horizon: int) -> np.ndarray:
    """Return Close[t+horizon] > Close[t] for each row t, NaN in the last rows."""
    del task
    later = frame["Close"].shift(-horizon)
    return (later > frame["Close"]).astype(np.float64).where(later.notna()).to_numpy()
