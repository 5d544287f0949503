"""The search space of fine-tuning: its parameters beside the number of layers."""

from __future__ import annotations

from hpogen.families.family import Param
from hpogen.families.shared import (
    AboveZero,
    Count,
    Positive,
    UpTo,
    UpToOne,
    categorical,
    log_float,
    uniform,
)
from hpogen.families.text.losses import Loss
from hpogen.families.text.optimizers import text_params

ALL_LAYERS = 1000

TUNING = (
    Param("epochs", categorical(2, 3, 5), Positive, "passes over the training texts"),
    *text_params(
        learning_rate=log_float(2e-5, 1e-3),
        weight_decay=log_float(1e-3, 1e-1),
        dropout=uniform(0.0, 0.3),
        warmup_steps=categorical(10, 50, 100),
        batch_size=32,
    ),
    Param(
        "trained_layers", ALL_LAYERS, Count, "from the top; 1000: the embeddings, too; 0: the head"
    ),
    Param("layer_decay", uniform(0.6, 1.0), UpTo, "learning rate over that of the layer above"),
    Param("head_rate", log_float(1.0, 30.0), AboveZero, "the head's over that of the top layer"),
)
SEARCH_SPACE = (
    *TUNING,
    Param("class_balance", uniform(0.0, 1.0), UpToOne, "0 plain, 1 all labels weigh the same"),
    Param("loss", "cross_entropy", Loss, "what is minimised"),
)
