"""The search space of the market family, without the architecture."""

from __future__ import annotations

from hpogen.families.family import Param
from hpogen.families.market.losses import Loss
from hpogen.families.shared import Positive, categorical, log_float, optimizer_params, uniform

SEARCH_SPACE = (
    Param("epochs", categorical(50, 75, 100), Positive, "passes over the training days"),
    *optimizer_params(
        learning_rate=log_float(1e-4, 1e-3),
        weight_decay=log_float(1e-4, 5e-3),
        dropout=uniform(0.1, 0.3),
        warmup_steps=categorical(50, 100, 200, 300),
    ),
    Param("loss", "bce", Loss, "training loss"),
)
