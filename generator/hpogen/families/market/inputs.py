"""Inputs of the market family: the forms in which the columns enter the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpo_script.families.market.sizes import count_params, sample_bytes
from hpogen.families.family import Choice
from hpogen.families.market.constants import PRICE_COLUMNS

INPUTS = {
    "revin": Choice(
        {"inputs": "families/market/inputs_revin"}, "raw columns, normalised per window"
    ),
    "revin_stats": Choice(
        {"inputs": "families/market/inputs_revin_stats"},
        "the same, with the removed level and spread given back",
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

# The forms of columns under scale_free; all others: as data.transforms says.
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
    """Return an estimate of what one sample keeps for the backward pass."""
    return sample_bytes(arch, **market_sizes(constants, options))


def market_sizes(constants: Mapping[str, Any], options: Mapping[str, str]) -> dict[str, Any]:
    """Return the constants, besides the architecture, that set the sizes of the model."""
    return {
        "inputs": options["inputs"],
        "n_columns": len(constants["feature_columns"]),
        "context_length": constants["context_length"],
        "patch_length": constants["patch_length"],
        "stride": constants["stride"],
    }


def describe_market_inputs(constants: Mapping[str, Any], options: Mapping[str, str]) -> str:
    """Return the feature columns, each with the form in which it enters the model."""
    inputs = options["inputs"]
    own_forms = SCALE_FREE if inputs == "scale_free" else {}
    unchanged = "unchanged" if own_forms else ""
    transforms = constants.get("transforms", {})
    forms: dict[str, list[str]] = {}
    for name in constants["feature_columns"]:
        form = own_forms.get(name) or TRANSFORMS.get(transforms.get(name), unchanged)
        forms.setdefault(form, []).append(name)
    texts = [f"{', '.join(names)} {form}".rstrip() for form, names in forms.items()]
    if not own_forms:
        return f"{'; '.join(texts)}: {INPUTS[inputs].about}"
    has_range = "High" in constants.get("price_columns", PRICE_COLUMNS)
    span = "ln(High / Low)" if has_range else "absolute log return"
    return f"{'; '.join([*texts, span])}; standardised on training rows"
