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
from hpo_script.families.market.cells import MISSING, parse_date, parse_number
from hpo_script.families.market.constants import (
    COLUMNS,
    DATE_FORMAT,
    DECIMAL,
    DUPLICATES,
    ENCODING,
    FEATURE_COLUMNS,
    FILL,
    FOOTER,
    PRICE_COLUMNS,
    SEPARATOR,
    SORT,
    THOUSANDS,
    TRANSFORMS,
    UNITS,
)

Fault = tuple[str, pd.Series, str]


def read_prices(path: Path) -> tuple[pd.DataFrame, str]:
    """Return Date, prices and features, checked, of a CSV or Parquet file, and its SHA-256."""
    wanted = list(dict.fromkeys((*PRICE_COLUMNS, *FEATURE_COLUMNS)))
    try:
        cells = read_cells(path, ["Date", *wanted])
    except (ValueError, KeyError, OSError) as error:  # those of pandas and pyarrow, too
        raise UnusableError(f"{path}: {ascii(str(error))[1:200]}") from None
    frame = pd.DataFrame({
        "Date": pd.to_datetime(cells["Date"].map(lambda cell: parse_date(cell, DATE_FORMAT))),
        **{name: [parse_number(cell, DECIMAL, THOUSANDS, UNITS) for cell in cells[name]]
           for name in wanted},
    })  # fmt: skip
    numbers = [(name, frame[name] == np.inf, "is not a finite number") for name in wanted]
    if FILL == "drop":
        no_date = cells["Date"].str.strip().str.lower().isin(MISSING)
        frame = frame[~no_date & frame[wanted].notna().all(axis=1)]
    refuse(path, cells, [*numbers, ("Date", frame["Date"].isna(), "is not a date")])
    frame = arranged(frame, wanted)
    refuse(path, cells, row_faults(frame, wanted))
    frame = with_range(frame.reset_index(drop=True))
    for name, form in TRANSFORMS.items():
        frame[name] = transformed(frame[name], form)
    return frame, hashlib.sha256(path.read_bytes()).hexdigest()


def read_cells(path: Path, wanted: list[str]) -> pd.DataFrame:
    """Return the cells of some columns as text, under the names of this script."""
    if path.suffix == ".parquet":
        cells = pd.read_parquet(path).reset_index().astype(str)
    else:
        cells = pd.read_csv(
            path,
            dtype=str,
            sep=SEPARATOR,
            encoding=ENCODING,
            skipfooter=FOOTER,
            engine="python",
            keep_default_na=False,
        ).astype(str)
    return cells[[COLUMNS.get(name, name) for name in wanted]].set_axis(wanted, axis=1)


def refuse(path: Path, cells: pd.DataFrame, faults: list[Fault]) -> None:
    """Raise UnusableError for the first fault that a row has."""
    for name, wrong, fault in faults:
        if wrong.any():
            index = wrong.index[int(wrong.argmax())]
            cell = str(cells[name].iloc[index])[:60]
            raise UnusableError(f"{path}: row {index + 2}: {name} {cell!r} {fault}")  # header: 1


def arranged(frame: pd.DataFrame, wanted: list[str]) -> pd.DataFrame:
    """Return the rows by date, repeated dates and missing values treated as the constants say."""
    if SORT:
        frame = frame.sort_values("Date", kind="stable")
    if DUPLICATES == "last":
        frame = frame.drop_duplicates("Date", keep="last")
    if FILL != "previous":
        return frame
    filled = frame.assign(**{name: frame[name].ffill() for name in wanted})
    return filled[filled[wanted].notna().all(axis=1)]  # no value is known before the first one


def row_faults(frame: pd.DataFrame, wanted: list[str]) -> list[Fault]:
    """Return the faults that are looked for in rows by date: column, rows, what is wrong."""
    positive = [*PRICE_COLUMNS, *({"Adj Close"} & {*wanted})]
    positive += [name for name, form in TRANSFORMS.items() if form == "log_ratio"]
    faults: list[Fault] = [
        ("Date", frame["Date"].diff() <= pd.Timedelta(0), "is not after the row before"),
        *((name, frame[name].isna(), "is no value") for name in wanted),
        *((name, frame[name] <= 0, "is not above 0") for name in positive),
    ]
    if "High" in frame and "Low" in frame:
        faults.append(("High", frame["High"] < frame["Low"], "is below Low"))
    return faults


def with_range(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with High and Low; without both, the range of two closes: the return."""
    if "High" in frame:
        return frame
    before = frame["Close"].shift(1, fill_value=frame["Close"].iloc[0])
    both = pd.concat([before, frame["Close"]], axis=1)
    return frame.assign(High=both.max(axis=1), Low=both.min(axis=1))


def transformed(values: pd.Series, form: str) -> pd.Series:
    """Return a column in one of the forms of TRANSFORMS; 0 where no earlier row is known."""
    if form == "log_ratio":  # to the row before
        values = (values / values.shift(1)).map(np.log)
    elif form == "difference":
        values = values.diff()
    elif form == "zscore":  # against the last 60 rows, this one among them
        past = values.rolling(60, min_periods=2)
        values = (values - past.mean()) / (past.std() + 1e-6 * past.mean().abs() + 1e-12)
    return values.fillna(0.0)
