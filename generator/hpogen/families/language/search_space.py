"""The search space of the language family, without the architecture."""

from __future__ import annotations

from hpogen.families.family import Param
from hpogen.families.shared import Positive, categorical, log_float, optimizer_params, uniform

SEARCH_SPACE = (
    Param("steps", categorical(500, 1000, 2000), Positive, "optimizer steps"),
    Param("eval_interval", 50, Positive, "optimizer steps between evaluations"),
    *optimizer_params(
        learning_rate=log_float(3e-4, 3e-3),
        weight_decay=log_float(1e-2, 3e-1),
        dropout=uniform(0.0, 0.2),
        warmup_steps=categorical(50, 100, 200),
    ),
)
