"""Inputs of the market family: the forms in which the columns enter the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpo_script.families.market.parameter_counts import count_params, sample_bytes
from hpogen.families.family import Choice
from hpogen.families.market.constants import PRICE_COLUMNS

INPUTS = {
    "revin": Choice(
        {"inputs": "families/market/inputs_revin"}, "raw columns, normalised per window"
    ),
    "revin_stats": Choice(
        {"inputs": "families/market/inputs_revin_stats"},
        "as revin, and the model also gets spread and position of the last day",
    ),
    "scale_free": Choice(
        {"inputs": "families/market/inputs_scale_free"},
        "log ratios, range and relative volume, standardised on training rows",
    ),
    "zscore": Choice(
        {"inputs": "families/market/inputs_zscore"},
        "raw columns, standardised on training rows",
    ),
}

STARTS = {
    "linear": Choice(
        {"start": "families/market/start_linear"},
        "sum of a logistic regression on the start features and the network",
    ),
    "none": Choice({"start": "families/market/start_none"}, "random weights"),
}
N_START_FEATURES = 3

# Transforms of columns under scale_free. data.transforms sets those of other columns.
SCALE_FREE = {
    **dict.fromkeys(PRICE_COLUMNS, "as log ratio to the previous close"),
    "Volume": "as log ratio to its 20-day mean",
}
TRANSFORMS = {
    "log_ratio": "as log ratio to the row before",
    "difference": "as difference from the row before",
    "zscore": "as z-score of the past 60 rows",
}


def count_market_params(
    arch: Mapping[str, int], constants: Mapping[str, Any], options: Mapping[str, str]
) -> int:
    """Return the exact number of parameters of an architecture."""
    return count_params(arch, **market_sizes(constants, options))


def market_sample_bytes(
    arch: Mapping[str, int], constants: Mapping[str, Any], options: Mapping[str, str]
) -> int:
    """Return an estimate of the bytes that one sample keeps for the backward pass."""
    return sample_bytes(arch, **market_sizes(constants, options))


def market_sizes(constants: Mapping[str, Any], options: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments of `count_params` and `sample_bytes`, except for the architecture."""
    return {
        "inputs": options["inputs"],
        "n_start": N_START_FEATURES if options["start"] == "linear" else 0,
        "n_columns": len(constants["feature_columns"]),
        "context_length": constants["context_length"],
        "patch_length": constants["patch_length"],
        "stride": constants["stride"],
    }


def describe_market_inputs(constants: Mapping[str, Any], options: Mapping[str, str]) -> str:
    """Return the feature columns, each with its transform."""
    inputs = options["inputs"]
    own_forms = SCALE_FREE if inputs == "scale_free" else {}
    unchanged = "unchanged" if own_forms else ""
    transforms = constants.get("transforms", {})
    forms: dict[str, list[str]] = {}
    for name in constants["feature_columns"]:
        form = own_forms.get(name) or TRANSFORMS.get(transforms.get(name), unchanged)
        forms.setdefault(form, []).append(name)
    texts = [f"{', '.join(names)} {form}".rstrip() for form, names in forms.items()]
    start = "; start: logistic regression" if options["start"] == "linear" else ""
    if not own_forms:
        return f"{'; '.join(texts)}: {INPUTS[inputs].description}{start}"
    has_range = "High" in constants.get("price_columns", PRICE_COLUMNS)
    span = "ln(High / Low)" if has_range else "absolute log return"
    return f"{'; '.join([*texts, span])}; standardised on training rows{start}"
