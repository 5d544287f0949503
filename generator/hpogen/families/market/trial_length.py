"""Length of a trial of the market family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEMO_PATH, DEMO_ROWS = "data/sp500.csv", 5031  # of `hpogen demo-data sp500`


def count_market_samples(
    constants: Mapping[str, Any], horizon: int | None, n_train_rows: int | None
) -> int | None:
    """Return the number of training samples; None if the number of rows is unknown."""
    rows = n_train_rows
    if rows is None and constants["data_path"] == DEMO_PATH and not constants["train_end"]:
        rows = round(DEMO_ROWS * constants["train_fraction"])
    if rows is None:
        return None
    days: int = rows - (horizon or 0) - (constants["max_context_length"] - 1)
    subset: float = constants["train_subset"]
    return max(round(days * subset), 0)
