"""Default constants of the language family, so that its parts can be imported and tested."""

from __future__ import annotations

FILE_PATTERN = "**/*"
TRAIN_FRACTION = 0.8
VAL_FRACTION = 0.1
TRAIN_SUBSET = 1.0
VAL_BYTES = 262_144
CONTEXT_LENGTH = 256
