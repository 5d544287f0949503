"""Constants of a final script, for the parts to be checked and tested on their own."""

from __future__ import annotations

from typing import Any

STUDY: str | None = "0123456789ab"
SEEDS = [43, 44, 45]
TRIAL_SECONDS: float | None = None
TRAIN_ON = "train"
BLOCK_LENGTH = 20
CONFIGURATIONS: list[dict[str, Any]] = []
