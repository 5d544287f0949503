"""Losses of the market family."""

from __future__ import annotations

from typing import Literal

from hpogen.families.family import Choice, Param
from hpogen.families.shared import AboveZero, UpToOne, Zero

LOSSES = {
    "bce": Choice({"loss": "families/market/losses/bce"}, "binary cross-entropy"),
    "weighted_bce": Choice(
        {"loss": "families/market/losses/weighted_bce"},
        "cross-entropy with a larger weight of the rarer class",
        (Param("class_balance", 1.0, UpToOne, "0: no weights; 1: equal weight of both classes"),),
        "auc",
    ),
    "focal": Choice(
        {"loss": "families/market/losses/focal"},
        "focal loss",
        (
            Param("focal_gamma", 2.0, Zero, "how much easy samples lose weight"),
            Param("focal_alpha", 0.25, UpToOne, "weight of the positives"),
        ),
        "auc",
    ),
    "soft_auc": Choice(
        {"loss": "families/market/losses/soft_auc"},
        "smoothed share of pairs in the wrong order",
        (Param("auc_gamma", 2.0, AboveZero, "steepness of the smoothing"),),
        "auc",
        {"accumulate": "experiment/accumulate_pairs"},
    ),
}
Loss = Literal["bce", "weighted_bce", "focal", "soft_auc"]
