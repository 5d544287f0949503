"""The market family: yes-or-no labels of daily prices, predicted by PatchTST."""

from __future__ import annotations

from hpogen.families.family import Family, Param, Switch, TaskKind
from hpogen.families.market.checks import check_market
from hpogen.families.market.constants import CONSTANTS, reader_parts
from hpogen.families.market.inputs import (
    INPUTS,
    STARTS,
    count_market_params,
    describe_market_inputs,
    market_sample_bytes,
)
from hpogen.families.market.losses import LOSSES, Loss
from hpogen.families.market.read_data import read_market_data
from hpogen.families.market.trial_length import count_market_samples, market_schedule
from hpogen.families.shared import (
    AXES,
    SMALL_AXES,
    Positive,
    categorical,
    log_float,
    optimizer_params,
    shapes,
    uniform,
)

MARKET = Family(
    name="market",
    tasks=(
        TaskKind(
            r"threshold_(?!0+(\.0+)?pct)\d{1,3}(\.\d{0,3}[1-9])?pct",
            "threshold_<x>pct",
            "Will the High reach Close + x % within the horizon, in trading days?",
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
    schedule=market_schedule,
    length_params=("epochs", "batch_size"),
    constants=CONSTANTS,
    slots=reader_parts,
    check=check_market,
    params=(
        Param("epochs", categorical(50, 75, 100), Positive, "passes over the training days"),
        *optimizer_params(
            learning_rate=log_float(1e-4, 1e-3),
            weight_decay=log_float(1e-4, 5e-3),
            dropout=uniform(0.1, 0.3),
            warmup_steps=categorical(50, 100, 200, 300),
        ),
        Param("loss", "bce", Loss, "what is minimised"),
    ),
    options={"inputs": INPUTS, "start": STARTS},
    switches={"loss": Switch("losses", "_loss", LOSSES)},
    default_options={"inputs": "scale_free", "start": "linear"},
    metrics={"val_loss": "minimize", "auc": "maximize", "brier": "minimize"},
    default_metric="val_loss",
    parts=(
        "experiment/shared",
        "{labels}",
        "experiment/transformer",
        "families/market/model",
        "{inputs}",
        "families/market/metrics",
        "{start_features}",
        "families/market/logistic",
        "{start}",
        "{loss}",
        "{prices}",
        "families/market/data",
        "{accumulate}",
        "experiment/training",
        "experiment/arch_space",
        "experiment/space",
    ),
)
