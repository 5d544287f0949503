"""Constants of the market family: data, options for reading it, splits, sizes of the model."""

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


def read_option(name: str, default: Any, type_: Any, description: str) -> Constant:
    """Return a constant of scripts whose data file differs from the default format."""
    return Constant(name, "data", default, type_, description, optional="reading")


READ_OPTIONS = (
    read_option("columns", {}, dict[Column, Column], "name in the script: name in the file"),
    read_option("price_columns", PRICES, list[Price], "prices in the file"),
    read_option("date_format", None, DateFormat | None, "strptime format, or unit of a Unix time"),
    read_option(
        "encoding", "utf-8-sig", Literal["utf-8-sig", "utf-16", "cp1252"], "of a CSV file"
    ),
    read_option("separator", ",", Literal[",", ";", "\t", "|"], "field separator"),
    read_option("decimal", ".", Literal[".", ","], "decimal separator"),
    read_option("thousands", "", Literal["", ",", ".", " ", "'"], "thousands separator"),
    read_option("units", False, bool, "numbers may have %, K, M, B, T or a currency sign"),
    read_option("footer", 0, Count, "lines to skip at the end"),
    read_option("sort", False, bool, "sort the rows by date"),
    read_option("duplicates", "refuse", Literal["refuse", "last"], "rows with the same date"),
    read_option(
        "fill",
        "refuse",
        Literal["refuse", "previous", "drop"],
        "missing values: take the previous value, or drop the row",
    ),
    read_option(
        "transforms", {}, dict[Column, Transform], "transforms of columns that are not prices"
    ),
)

CONSTANTS = (
    Constant("data_path", "data", DEMO_PATH, Name, "CSV or Parquet"),
    Constant("data_sha256", "data", None, Digest | None, "of that file; checked if given"),
    Constant("data_range", "data", None, DateRange | None, "its first and last date", "data_path"),
    Constant("feature_columns", "data", SP500_COLUMNS, Columns, "columns that the model sees"),
    *READ_OPTIONS,
    Constant("train_fraction", "splits", 0.7, Share, "of all rows, in the order of dates"),
    Constant("val_fraction", "splits", 0.15, Share, "the rest is test, dropped on reading"),
    Constant("train_subset", "splits", 1.0, UpTo, "of the training days, evenly spread"),
    Constant("train_end", "splits", None, Date | None, "last training date, if given"),
    Constant("val_end", "splits", None, Date | None, "last validation date, if given"),
    Constant(
        "walk_forward",
        "splits",
        1,
        Positive,
        "folds; a trial's metrics are the means over them",
        optional="walk_forward",
    ),
    Constant(
        "min_val_samples",
        "splits",
        100,
        Positive,
        "refuse fewer validation or training samples",
    ),
    Constant("min_class_samples", "splits", 10, Positive, "refuse fewer samples of a class"),
    Constant("context_length", "model", 60, Positive, "days that the model sees"),
    Constant("max_context_length", "model", 60, Positive, "rows up to the first label day"),
    Constant("patch_length", "model", 10, Positive, "days per patch"),
    Constant("stride", "model", 5, Positive, "days between patches"),
)


def parts_by_constants(constants: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the parts that read the data file of a script, and the part that trains folds."""
    reader = ["families/market/default_csv"]
    if "columns" in constants:
        reader = ["families/market/cells", "families/market/other_file_formats"]
    folds = ["families/market/walk_forward"] if "walk_forward" in constants else []
    return {"prices": reader, "walk_forward": folds}
