"""Optimizers and schedules of the text families."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from hpogen.families.family import Choice, Param, Switch
from hpogen.families.shared import AboveZero, BelowOne, UpToOne, optimizer_params, uniform

BelowZero = Annotated[float, Field(lt=0)]
MIN_LR_RATIO = Param("min_lr_ratio", 0.1, UpToOne, "last learning rate over its peak")

OPTIMIZERS = {
    "adamw": Choice(
        {"optimizer": "families/text/optimizers/adamw"},
        "AdamW",
        (Param("beta1", 0.9, BelowOne, "AdamW"), Param("beta2", 0.999, BelowOne, "AdamW")),
    ),
    "adafactor": Choice(
        {"optimizer": "families/text/optimizers/adafactor"},
        "Adafactor",
        (Param("beta2_decay", -0.8, BelowZero, "Adafactor"),),
    ),
}
SCHEDULES = {
    "cosine": Choice({"schedule": "families/text/schedules/cosine"}, "cosine", (MIN_LR_RATIO,)),
    "linear": Choice({"schedule": "families/text/schedules/linear"}, "linear", (MIN_LR_RATIO,)),
    "constant": Choice({"schedule": "families/text/schedules/constant"}, "constant"),
    "polynomial": Choice(
        {"schedule": "families/text/schedules/polynomial"},
        "polynomial",
        (MIN_LR_RATIO, Param("schedule_power", 2.0, AboveZero, "of the rest of the training")),
    ),
}
SWITCHES = {
    "optimizer": Switch("optimizers", "_optimizer", OPTIMIZERS),
    "schedule": Switch("schedules", "_schedule", SCHEDULES),
}
OWNED = {
    param.name for choice in (*OPTIMIZERS.values(), *SCHEDULES.values()) for param in choice.params
}
AUGMENTATION = (
    Param("token_dropout", uniform(0.0, 0.2), BelowOne, "share of hidden tokens, in training"),
    Param("token_swap", uniform(0.0, 0.1), BelowOne, "share exchanged with the next token"),
    Param("char_noise", uniform(0.0, 0.1), BelowOne, "share of misspelt tokens"),
)


def text_params(**ranges: Any) -> tuple[Param, ...]:
    """Return the parameters of training that all text families have; see `optimizer_params`."""
    shared = (param for param in optimizer_params(**ranges) if param.name not in OWNED)
    return (
        *shared,
        Param("optimizer", "adamw", Literal["adamw", "adafactor"], "torch.optim"),
        Param("schedule", "cosine", Literal[tuple(SCHEDULES)], "after the warm-up"),
        *AUGMENTATION,
    )
