"""Constants of the market family: data and how it is read, splits, sizes of the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from hpogen.configuration.validation_messages import DATE_PATTERN
from hpogen.families.family import Constant
from hpogen.families.market.data.date_formats import check_date_format
from hpogen.families.market.trial_length import DEMO_PATH
from hpogen.families.shared import Column, Columns, Count, Digest, Name, Positive, Share, UpTo

Date = Annotated[str, Field(pattern=DATE_PATTERN)]
DateRange = Annotated[list[Date], Field(min_length=2, max_length=2)]
DateFormat = Annotated[str, Field(min_length=1, max_length=50), AfterValidator(check_date_format)]
Price = Literal["Open", "High", "Low", "Close"]
Transform = Literal["log_ratio", "difference", "zscore", "none"]
SP500_COLUMNS = ["Open", "High", "Low", "Close", "Adj Close", "Volume"]
PRICES = ["Open", "High", "Low", "Close"]
PRICE_COLUMNS = (*PRICES, "Adj Close")


def reading(name: str, default: Any, type_: Any, about: str) -> Constant:
    """Return a constant that only scripts of unusual files have."""
    return Constant(name, "data", default, type_, about, optional=True)


READING = (
    reading("columns", {}, dict[Column, Column], "name here: name in the file, where they differ"),
    reading("price_columns", PRICES, list[Price], "prices that the file has"),
    reading("date_format", None, DateFormat | None, "codes of strptime, or a unit since 1970"),
    reading("encoding", "utf-8-sig", Literal["utf-8-sig", "utf-16", "cp1252"], "of a CSV file"),
    reading("separator", ",", Literal[",", ";", "\t", "|"], "between fields"),
    reading("decimal", ".", Literal[".", ","], "mark before the decimals"),
    reading("thousands", "", Literal["", ",", ".", " ", "'"], "mark between groups of digits"),
    reading("units", False, bool, "numbers may have %, K, M, B, T or a currency sign"),
    reading("footer", 0, Count, "lines at the end that are no rows"),
    reading("sort", False, bool, "sort the rows by date"),
    reading("duplicates", "refuse", Literal["refuse", "last"], "rows of one date: which to keep"),
    reading(
        "fill",
        "refuse",
        Literal["refuse", "previous", "drop"],
        "missing values: that of the row before, or drop the row",
    ),
    reading("transforms", {}, dict[Column, Transform], "forms of columns that are no prices"),
)

CONSTANTS = (
    Constant("data_path", "data", DEMO_PATH, Name, "CSV or Parquet"),
    Constant("data_sha256", "data", None, Digest | None, "of that file; checked if given"),
    Constant("data_range", "data", None, DateRange | None, "its first and last date", "data_path"),
    Constant("feature_columns", "data", SP500_COLUMNS, Columns, "columns the model sees"),
    *READING,
    Constant("train_fraction", "splits", 0.7, Share, "of all rows, in the order of dates"),
    Constant("val_fraction", "splits", 0.15, Share, "the rest is test, dropped on reading"),
    Constant("train_subset", "splits", 1.0, UpTo, "of the training days, evenly spread"),
    Constant("train_end", "splits", None, Date | None, "last training date, if given"),
    Constant("val_end", "splits", None, Date | None, "last validation date, if given"),
    Constant(
        "min_val_samples",
        "splits",
        100,
        Positive,
        "refuse fewer validation or training samples",
    ),
    Constant("min_class_samples", "splits", 10, Positive, "refuse fewer samples of a class"),
    Constant("context_length", "model", 60, Positive, "days the model sees"),
    Constant("max_context_length", "model", 60, Positive, "label days start after this many rows"),
    Constant("patch_length", "model", 10, Positive, "days per patch"),
    Constant("stride", "model", 5, Positive, "days between patches"),
)


def reader_parts(constants: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the parts that read the data file of a script."""
    if "columns" in constants:
        return {"prices": ["families/market/cells", "families/market/table"]}
    return {"prices": ["families/market/prices"]}
