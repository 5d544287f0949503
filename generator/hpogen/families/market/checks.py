"""Constants of the market family that must agree with each other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from hpogen.configuration.yaml_file import shown
from hpogen.families.market.constants import PRICE_COLUMNS


def check_market(constants: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (constant, what is wrong) for values that do not go together."""
    wrong = []
    context, longest = constants["context_length"], constants["max_context_length"]
    if context > longest:
        wrong.append(("context_length", f"{context} is above max_context_length {longest}"))
    if constants["patch_length"] > context:
        wrong.append(("patch_length", f"{constants['patch_length']} is above {context} days"))
    if constants["train_fraction"] + constants["val_fraction"] >= 1:
        wrong.append(("val_fraction", "no rows are left for the test split"))
    columns = constants["feature_columns"]
    if "Date" in columns or len(set(columns)) < len(columns):
        wrong.append(("feature_columns", "Date, or a column given twice"))
    for name in constants["transforms"]:
        if name in (*PRICE_COLUMNS, "Volume"):
            wrong.append(("transforms", f"{name} has the form that options.inputs gives it"))
        elif name not in columns:
            wrong.append(("transforms", f"{shown(name)} is no feature column"))
    return wrong + check_dates(constants["train_end"], constants["val_end"])


def check_dates(train_end: str | None, val_end: str | None) -> list[tuple[str, str]]:
    """Return (constant, what is wrong) for explicit ends of the splits."""
    if (train_end is None) != (val_end is None):
        return [("train_end", "give both train_end and val_end, or neither")]
    ends = (("train_end", train_end), ("val_end", val_end))
    wrong = [(name, f"{text} is no date") for name, text in ends if text and not is_date(text)]
    if train_end and val_end and train_end >= val_end:
        wrong.append(("val_end", f"{val_end} is not after train_end {train_end}"))
    return wrong


def is_date(text: str) -> bool:
    """Tell whether a text is a day of the calendar."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
