"""Data: daily rows, labels from the days ahead, contiguous splits by date.

`Task` drops the rows of the test split after reading, so that no training can use test labels. A
label never depends on rows of the next split. The first day with a label depends on
MAX_CONTEXT_LENGTH, so that scripts with different context lengths use the same days.
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
    """Return (Date, prices and features; SHA-256) of a CSV or Parquet file.

    Raises UnusableError for the first row that is not valid.
    """
    names = list(dict.fromkeys((*PRICES, *FEATURE_COLUMNS)))
    try:
        if path.suffix == ".parquet":
            cells = pd.read_parquet(path).reset_index().astype(str)
        else:
            cells = pd.read_csv(path, dtype=str, encoding="utf-8-sig")
        cells = cells[["Date", *names]]
    except (ValueError, KeyError, OSError) as error:  # also of pandas and pyarrow
        raise UnusableError(f"{path}: {ascii(str(error))[1:200]}") from None
    local = cells["Date"].str.replace(r"[+-]\d\d:\d\d$", "", regex=True)  # midnight in New York
    dates = pd.to_datetime(local, errors="coerce", format="ISO8601", utc=True).dt.tz_localize(None)
    columns = {name: pd.to_numeric(cells[name], errors="coerce") for name in names}
    prices = (*PRICES, *({"Adj Close"} & columns.keys()))
    faults = [
        ("Date", dates.isna(), "is not a date such as 1999-01-04"),
        ("Date", dates.diff() <= pd.Timedelta(0), "is not after the row before"),
        *((n, ~(v.abs() < np.inf), "is not a finite number") for n, v in columns.items()),
        *((name, columns[name] <= 0, "is not above 0") for name in prices),
        ("High", columns["High"] < columns["Low"], "is below Low"),
    ]
    for name, is_faulty, fault in faults:
        if is_faulty.any():
            index = int(is_faulty.argmax())
            cell, row = str(cells[name].iloc[index])[:60], index + 2  # the header is row 1
            raise UnusableError(f"{path}: row {row}: {name} {cell!r} {fault}")
    return pd.DataFrame({"Date": dates, **columns}), hashlib.sha256(path.read_bytes()).hexdigest()
