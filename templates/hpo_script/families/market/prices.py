"""Data: daily rows, labels from the days ahead, contiguous splits by date.

The rows of the test split are dropped on reading: this script cannot use a test label. The days of
a label never cross a boundary, and which days have labels depends on MAX_CONTEXT_LENGTH only.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from hpo_script.experiment.shared import UnusableError
from hpo_script.families.market.constants import FEATURE_COLUMNS

PRICES = ("Open", "High", "Low", "Close")


def read_prices(path: Path) -> tuple[pd.DataFrame, str]:
    """Return Date, prices and features, checked, of a CSV or Parquet file, and its SHA-256."""
    wanted = list(dict.fromkeys((*PRICES, *FEATURE_COLUMNS)))
    try:
        if path.suffix == ".parquet":
            cells = pd.read_parquet(path).reset_index().astype(str)
        else:
            cells = pd.read_csv(path, dtype=str, encoding="utf-8-sig")
        cells = cells[["Date", *wanted]]
    except (ValueError, KeyError, OSError) as error:  # those of pandas and pyarrow, too
        raise UnusableError(f"{path}: {ascii(str(error))[1:200]}") from None
    local = cells["Date"].str.replace(r"[+-]\d\d:\d\d$", "", regex=True)  # midnight in New York
    dates = pd.to_datetime(local, errors="coerce", format="ISO8601", utc=True).dt.tz_localize(None)
    columns = {name: pd.to_numeric(cells[name], errors="coerce") for name in wanted}
    prices = (*PRICES, *({"Adj Close"} & columns.keys()))
    faults = [
        ("Date", dates.isna(), "is not a date such as 1999-01-04"),
        ("Date", dates.diff() <= pd.Timedelta(0), "is not after the row before"),
        *((n, ~(v.abs() < np.inf), "is not a finite number") for n, v in columns.items()),
        *((name, columns[name] <= 0, "is not above 0") for name in prices),
        ("High", columns["High"] < columns["Low"], "is below Low"),
    ]
    for name, wrong, fault in faults:
        if wrong.any():
            index = int(wrong.argmax())
            cell, row = str(cells[name].iloc[index])[:60], index + 2  # the header is row 1
            raise UnusableError(f"{path}: row {row}: {name} {cell!r} {fault}")
    return pd.DataFrame({"Date": dates, **columns}), hashlib.sha256(path.read_bytes()).hexdigest()
