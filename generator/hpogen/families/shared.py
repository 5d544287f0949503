"""Value types, architecture axes and parameters that families share."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from hpogen.configuration.validation_messages import DIGEST_PATTERN
from hpogen.configuration.yaml_file import plain_text
from hpogen.families.family import Param, Schedule

Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Zero = Annotated[float, Field(ge=0)]
AboveZero = Annotated[float, Field(gt=0)]
UpToOne = Annotated[float, Field(ge=0, le=1)]
BelowOne = Annotated[float, Field(ge=0, lt=1)]
UpTo = Annotated[float, Field(gt=0, le=1)]
Name = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(plain_text)]
Column = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(plain_text)]
Columns = Annotated[list[Column], Field(min_length=1)]
Digest = Annotated[str, Field(pattern=DIGEST_PATTERN)]


def log_float(low: float, high: float) -> dict[str, Any]:
    """Return the search entry of a float on a log scale."""
    return {"type": "float", "low": low, "high": high, "log": True}


def uniform(low: float, high: float) -> dict[str, Any]:
    """Return the search entry of a float."""
    return {"type": "float", "low": low, "high": high, "log": False}


def categorical(*choices: float) -> dict[str, Any]:
    """Return the search entry of a few values."""
    return {"type": "categorical", "choices": list(choices)}


def optimizer_params(
    *,
    learning_rate: dict[str, Any],
    weight_decay: dict[str, Any],
    dropout: dict[str, Any],
    warmup_steps: dict[str, Any],
    batch_size: int = 256,
) -> tuple[Param, ...]:
    """Return the parameters of the optimizer, which all families share except for their ranges."""
    return (
        Param("learning_rate", learning_rate, AboveZero, "peak value"),
        Param("weight_decay", weight_decay, Zero, "of matrices only"),
        Param("dropout", dropout, BelowOne, "of each branch"),
        Param("warmup_steps", warmup_steps, Count, "of linear warm-up"),
        Param("batch_size", batch_size, Positive, "samples per optimizer step, in micro-batches"),
        Param("clip_norm", 1.0, AboveZero, "largest norm of the gradient"),
        Param("beta1", 0.9, BelowOne, "AdamW"),
        Param("beta2", 0.999, BelowOne, "AdamW"),
        Param("min_lr_ratio", 0.1, UpToOne, "last learning rate over its peak"),
        Param("patience", 10, Positive, "evaluations without a gain before a trial stops"),
        Param("prune_from", 0.2, UpToOne, "share of the schedule before pruning starts"),
        Param("min_delta", 0.001, Zero, "smallest gain that counts for patience"),
    )


def shapes(axes: Mapping[str, Any]) -> Iterator[dict[str, int]]:
    """Yield every combination of axes whose heads divide the width."""
    combinations = itertools.product(*(axes[name] for name in AXES))
    for d_model, n_layers, n_heads, d_ff_ratio in combinations:
        d_ff = d_model * d_ff_ratio
        if d_model % n_heads == 0 and d_ff == int(d_ff):
            yield {
                "d_model": d_model,
                "n_layers": n_layers,
                "n_heads": n_heads,
                "d_ff": int(d_ff),
            }


AXES: dict[str, tuple[float, ...]] = {
    "d_model": (64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048),
    "n_layers": (2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 160, 180, 192, 256),
    "n_heads": (2, 4, 8, 16, 32),
    "d_ff_ratio": (2, 4),
}

# Replaces AXES at budgets for which AXES gives fewer than five shapes.
SMALL_AXES: dict[str, tuple[float, ...]] = {
    "d_model": (16, 24, 32, 48, 64, 96, 128, 192, 256),
    "n_layers": (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24),
    "n_heads": (2, 4, 8, 16),
    "d_ff_ratio": (2, 4),
}


def local_path(path: str) -> str:
    """Return the path of a file relative to the working folder, or its name outside of it.

    An absolute path of the rendering machine would be wrong on another one.
    """
    if not Path(path).is_absolute():
        return Path(path).as_posix()
    try:
        return Path(path).resolve().relative_to(Path.cwd().resolve()).as_posix()
    except ValueError:
        return Path(path).name


def epoch_schedule(config: Mapping[str, Any], n_samples: int | None) -> Schedule:
    """Return the length of a trial: one evaluation per epoch."""
    epochs = config["epochs"]
    if not n_samples:
        return Schedule(epochs, 1, epochs, None, None)
    n_batches = math.ceil(n_samples / config["batch_size"])
    return Schedule(epochs, 1, epochs, n_batches, epochs * n_batches)
