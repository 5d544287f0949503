"""Default constants of the market family, so that its parts can be imported and tested."""

from __future__ import annotations

HORIZON = 1
FEATURE_COLUMNS = ["Open", "High", "Low", "Close", "Adj Close", "Volume"]
TRAIN_FRACTION = 0.7
VAL_FRACTION = 0.15
TRAIN_SUBSET = 1.0
TRAIN_END: str | None = None
VAL_END: str | None = None
WALK_FORWARD = 3  # only in scripts with more than one fold
MIN_VAL_SAMPLES = 100
MIN_CLASS_SAMPLES = 10
CONTEXT_LENGTH = 60
MAX_CONTEXT_LENGTH = 60
PATCH_LENGTH = 10
STRIDE = 5
# Only in scripts of files that are no plain CSV or Parquet.
COLUMNS: dict[str, str] = {}
PRICE_COLUMNS = ["Open", "High", "Low", "Close"]
DATE_FORMAT: str | None = None
ENCODING = "utf-8-sig"
SEPARATOR = ","
DECIMAL = "."
THOUSANDS = ""
UNITS = False
FOOTER = 0
SORT = False
DUPLICATES = "refuse"
FILL = "refuse"
TRANSFORMS: dict[str, str] = {}
