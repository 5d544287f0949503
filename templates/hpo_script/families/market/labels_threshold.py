"""Labels: does the High reach Close + x % within the horizon? TASK has x."""

from __future__ import annotations

import numpy as np
import pandas as pd


def make_labels(frame: pd.DataFrame, *, task: str, horizon: int) -> np.ndarray:
    """Return max(High[t+1 .. t+horizon]) >= Close[t] (1 + x / 100) per row t, NaN in the last."""
    percent = float(task.removeprefix("threshold_").removesuffix("pct"))
    days_ahead = pd.concat([frame["High"].shift(-day) for day in range(1, horizon + 1)], axis=1)
    reached = days_ahead.max(axis=1) >= frame["Close"] * (1 + percent / 100 - 1e-12)  # rounding
    return reached.astype(np.float64).where(days_ahead.notna().all(axis=1)).to_numpy()
