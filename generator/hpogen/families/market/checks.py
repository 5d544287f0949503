"""Checks of constants of the market family that depend on each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from hpogen.configuration.yaml_file import shown
from hpogen.families.market.constants import PRICE_COLUMNS

LEAST_TRAINING = 0.2  # of all rows, in the first fold of a walk-forward


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
    earlier = constants["walk_forward"] - 1
    if (
        earlier
        and constants["train_fraction"] - earlier * constants["val_fraction"] < LEAST_TRAINING
    ):
        faults.append(
            ("walk_forward", f"the first fold trains on less than {LEAST_TRAINING} of the rows")
        )
    if earlier and constants["train_end"]:
        faults.append(("walk_forward", "give train_fraction and val_fraction, not dates"))
    faults += check_columns(constants["feature_columns"], constants["transforms"])
    return faults + check_dates(constants["train_end"], constants["val_end"])


def check_columns(columns: Sequence[str], transforms: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield (constant, fault) for feature_columns and transforms."""
    if "Date" in columns:
        yield "feature_columns", "Date is not a feature; remove it"
    if twice := [name for name, count in Counter(columns).items() if count > 1]:
        yield "feature_columns", f"{shown(twice[0])} is listed twice; remove one"
    for name in transforms:
        if name in (*PRICE_COLUMNS, "Volume"):
            yield "transforms", f"{name} is transformed by options.inputs; leave it out"
        elif name not in columns:
            yield "transforms", f"{shown(name)} is not one of feature_columns"


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
    """Return whether a text is an existing date in ISO 8601 format."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
