"""Inputs of the market family: the forms in which the columns enter the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpo_script.families.market.sizes import count_params, sample_bytes
from hpogen.families.family import Choice
from hpogen.families.market.data_file import PRICE_COLUMNS

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
    columns = constants["feature_columns"]
    inputs = INPUTS[options["inputs"]]
    if options["inputs"] != "scale_free":
        return f"{', '.join(columns)}: {inputs.about}"
    prices = [name for name in columns if name in PRICE_COLUMNS]
    others = [name for name in columns if name not in (*PRICE_COLUMNS, "Volume")]
    forms = {
        "as log ratio to the previous close": prices,
        "as log ratio to its 20-day mean": [name for name in columns if name == "Volume"],
        "unchanged": others,
    }
    texts = [f"{', '.join(names)} {form}" for form, names in forms.items() if names]
    return f"{'; '.join([*texts, 'ln(High / Low)'])}; standardised on training rows"
