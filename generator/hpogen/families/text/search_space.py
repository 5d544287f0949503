"""The search space of the text family: its parameters beside the architecture."""

from __future__ import annotations

from hpogen.families.family import Param
from hpogen.families.shared import (
    Positive,
    UpToOne,
    categorical,
    log_float,
    uniform,
)
from hpogen.families.text.losses import Loss
from hpogen.families.text.optimizers import text_params

SEARCH_SPACE = (
    Param("epochs", categorical(10, 20, 30), Positive, "passes over the training texts"),
    *text_params(
        learning_rate=log_float(2e-4, 3e-3),
        weight_decay=log_float(1e-3, 1e-1),
        dropout=uniform(0.0, 0.3),
        warmup_steps=categorical(20, 50, 100),
        batch_size=32,
    ),
    Param("class_balance", uniform(0.0, 1.0), UpToOne, "0 plain, 1 all labels weigh the same"),
    Param("loss", "cross_entropy", Loss, "what is minimised"),
)
