"""Properties of a file of daily rows that become constants of the script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hpogen.aliases import did_you_mean
from hpogen.errors import DataError
from hpogen.families.family import DataFacts
from hpogen.families.market.column_checks import column_warnings
from hpogen.families.market.data_file import MarketFile, read_market
from hpogen.families.shared import local_path
from hpogen.yaml_file import shown

MIN_ROWS = 300  # fewer leave no 100 validation samples with the default splits


def read_market_data(path: str, said: Mapping[str, Any]) -> DataFacts:
    """Return the properties of a file of daily rows. Raises DataError."""
    found = read_market(Path(path), min_rows=MIN_ROWS)
    numeric = found.feature_columns
    columns = said.get("feature_columns", numeric)
    for name in columns if isinstance(columns, list) else []:
        if name not in numeric:
            if name in found.left_out:
                problem = f"holds text; choose from {', '.join(numeric)}"
            else:
                problem = f"is not in the file; {did_you_mean(str(name), numeric)}"
            raise DataError(f"{shown(path)}: column {shown(str(name))} {shown(problem, 300)}")
    constants = {
        "feature_columns": columns,
        "data_path": local_path(path),
        "data_sha256": found.sha256,
        "data_range": [found.dates[0], found.dates[-1]],
    }
    n_train = count_train_rows(found, said)
    check_splits(shown(path), found, columns, said, max(n_train, 1))
    notes = [
        f"column {shown(name)} holds text ('{value}') and is left out"
        for name, value in found.left_out.items()
    ]
    return DataFacts(constants, notes, column_warnings(found.values, columns), n_train)


def count_train_rows(found: MarketFile, said: Mapping[str, Any]) -> int:
    """Return the number of rows in the training split, 0 if a setting of it is invalid."""
    if train_end := said.get("train_end"):
        return sum(day <= str(train_end) for day in found.dates)
    share = said.get("train_fraction", 0.7)
    return round(len(found.dates) * share) if isinstance(share, float) else 0


def check_splits(
    path: str, found: MarketFile, columns: Sequence[str], said: Mapping[str, Any], n_train: int
) -> None:
    """Refuse splits without test rows, and columns without change in training. DataError."""
    val_end = said.get("val_end")
    if val_end and str(val_end) >= found.dates[-1]:
        raise DataError(f"{path}: no row is left for the test split after val_end {val_end}")
    if constant := [name for name in columns if found.still[name] >= n_train]:
        raise DataError(
            f"{path}: {shown(', '.join(constant))} never changes in the training rows; leave it"
            " out of feature_columns"
        )
