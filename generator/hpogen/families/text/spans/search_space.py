"""The search space of span extraction: its parameters beside the architecture."""

from __future__ import annotations

from hpogen.families.family import Param
from hpogen.families.shared import (
    Positive,
    Zero,
    categorical,
    log_float,
    uniform,
)
from hpogen.families.text.optimizers import text_params

NO_ANSWER_WEIGHT = Param("no_answer_weight", 1.0, Zero, "of texts without an answer in the loss")
SEARCH_SPACE = (
    Param("epochs", categorical(20, 30, 40), Positive, "passes over the training texts"),
    *text_params(
        learning_rate=log_float(3e-4, 5e-3),
        weight_decay=log_float(1e-3, 1e-1),
        dropout=uniform(0.0, 0.3),
        warmup_steps=categorical(20, 50, 100),
        batch_size=32,
    ),
    NO_ANSWER_WEIGHT,
)
