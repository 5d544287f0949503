"""The market family: yes-or-no labels of daily prices, predicted by PatchTST."""

from __future__ import annotations

from hpogen.families.family import Family, Switch, TaskKind
from hpogen.families.market.checks import check_market
from hpogen.families.market.constants import CONSTANTS, parts_by_constants
from hpogen.families.market.constants_from_file import read_market_data
from hpogen.families.market.inputs import (
    INPUTS,
    STARTS,
    count_market_params,
    describe_market_inputs,
    market_sample_bytes,
)
from hpogen.families.market.losses import LOSSES
from hpogen.families.market.part_order import FINAL_PARTS, PARTS
from hpogen.families.market.search_space import SEARCH_SPACE
from hpogen.families.market.trial_length import count_market_samples
from hpogen.families.shared import AXES, SMALL_AXES, epoch_schedule, shapes

MARKET = Family(
    name="market",
    tasks=(
        TaskKind(
            r"threshold_(?!0+(\.0+)?pct)\d{1,3}(\.\d{0,3}[1-9])?pct",
            "threshold_<x>pct",
            "Will the High reach Close + <x> % within the horizon, in trading days?",
            {
                "labels": "families/market/labels_threshold",
                "start_features": "families/market/start_threshold",
            },
        ),
        TaskKind(
            "direction",
            "direction",
            "Will the Close be higher at the horizon, in trading days, than today?",
            {
                "labels": "families/market/labels_direction",
                "start_features": "families/market/start_direction",
            },
        ),
    ),
    default_task="threshold_1pct",
    has_horizon=True,
    axes=AXES,
    small_axes=SMALL_AXES,
    small_below=1_000_000,
    candidates=shapes,
    count_params=count_market_params,
    sample_bytes=market_sample_bytes,
    free_axes=("n_heads",),
    extreme_axes=("d_model", "n_layers", "n_heads"),
    read_data=read_market_data,
    describe_inputs=describe_market_inputs,
    count_samples=count_market_samples,
    schedule=epoch_schedule,
    length_params=("epochs", "batch_size"),
    constants=CONSTANTS,
    slots=parts_by_constants,
    check=check_market,
    params=SEARCH_SPACE,
    options={"inputs": INPUTS, "start": STARTS},
    switches={"loss": Switch("losses", "_loss", LOSSES)},
    default_options={"inputs": "scale_free", "start": "linear"},
    metrics={"val_loss": "minimize", "auc": "maximize", "brier": "minimize"},
    second_metrics={"ece": "minimize"},
    default_metric="val_loss",
    parts=PARTS,
    final_parts=FINAL_PARTS,
)
