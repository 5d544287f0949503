"""Checks of constants of the market family that depend on each other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from hpogen.configuration.yaml_file import shown
from hpogen.families.market.constants import PRICE_COLUMNS


def check_market(constants: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (constant, fault) for values that contradict each other."""
    faults = []
    context, longest = constants["context_length"], constants["max_context_length"]
    if context > longest:
        faults.append(("context_length", f"{context} is above max_context_length {longest}"))
    if constants["patch_length"] > context:
        faults.append(("patch_length", f"{constants['patch_length']} is above {context} days"))
    if constants["train_fraction"] + constants["val_fraction"] >= 1:
        faults.append(("val_fraction", "no rows are left for the test split"))
    columns = constants["feature_columns"]
    if "Date" in columns or len(set(columns)) < len(columns):
        faults.append(("feature_columns", "holds Date, or a column twice; remove it"))
    for name in constants["transforms"]:
        if name in (*PRICE_COLUMNS, "Volume"):
            faults.append(("transforms", f"{name} is transformed by options.inputs; leave it out"))
        elif name not in columns:
            faults.append(("transforms", f"{shown(name)} is not one of feature_columns"))
    return faults + check_dates(constants["train_end"], constants["val_end"])


def check_dates(train_end: str | None, val_end: str | None) -> list[tuple[str, str]]:
    """Return (constant, fault) for train_end and val_end."""
    if (train_end is None) != (val_end is None):
        return [("train_end", "give both train_end and val_end, or neither")]
    ends = (("train_end", train_end), ("val_end", val_end))
    faults = [(name, f"{text} is not a date") for name, text in ends if text and not is_date(text)]
    if train_end and val_end and train_end >= val_end:
        faults.append(("val_end", f"{val_end} is not after train_end {train_end}"))
    return faults


def is_date(text: str) -> bool:
    """Return whether a text is a date in ISO 8601 that exists."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
