"""Losses of the text family."""

from __future__ import annotations

from typing import Literal

from hpogen.families.family import Choice, Param
from hpogen.families.shared import BelowOne, Zero

LOSSES = {
    "cross_entropy": Choice(
        {"loss": "families/text/losses/cross_entropy"},
        "cross-entropy",
        (Param("label_smoothing", 0.0, BelowOne, "share of the target that all labels have"),),
    ),
    "focal": Choice(
        {"loss": "families/text/losses/focal"},
        "focal loss",
        (Param("focal_gamma", 2.0, Zero, "how much easy texts are weighted down"),),
    ),
}
Loss = Literal["cross_entropy", "focal"]
