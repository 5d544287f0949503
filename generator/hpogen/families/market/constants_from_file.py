"""Constants of the script that follow from a file of daily rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpogen.configuration.yaml_file import shown
from hpogen.families.family import DataFacts, with_defaults
from hpogen.families.market.column_choice import ColumnChoice
from hpogen.families.market.constants import CONSTANTS
from hpogen.families.market.data.read import ALL_NEEDED, MarketFile, read_market
from hpogen.families.shared import local_path

MIN_ROWS = 300  # fewer give less than 100 validation samples with the default splits


def read_market_data(path: str, configured: Mapping[str, Any], task: str) -> DataFacts:
    """Return the properties of a file of daily rows. Raises DataError.

    `configured` holds the constants that the configuration sets.
    """
    needed = ("Close",) if task == "direction" else ALL_NEEDED
    file = read_market(Path(path), configured, needed=needed, min_rows=MIN_ROWS)
    n_train = count_train_rows(file, configured)
    chosen = ColumnChoice(file, "feature_columns" in configured, max(n_train, 1))
    chosen.check_end(configured.get("val_end"))
    chosen.problems.raise_any(shown(path, 200))
    constants = {
        **file.read_options,
        "feature_columns": chosen.columns,
        "data_path": local_path(path),
        "data_sha256": file.sha256,
        "data_range": [file.dates[0], file.dates[-1]],
    }
    return DataFacts(constants, [*file.notes, *chosen.notes], chosen.warnings, n_train)


def count_train_rows(file: MarketFile, configured: Mapping[str, Any]) -> int:
    """Return the number of rows in the training split."""
    if train_end := configured.get("train_end"):
        return sum(day <= train_end for day in file.dates)
    share: float = with_defaults(CONSTANTS, configured)["train_fraction"]
    return round(len(file.dates) * share)
