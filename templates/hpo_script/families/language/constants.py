"""Constants of a script of the language family, for the parts to be checked on their own."""

from __future__ import annotations

FILE_PATTERN = "**/*"
TRAIN_FRACTION = 0.8
VAL_FRACTION = 0.1
TRAIN_SUBSET = 1.0
VAL_BYTES = 262_144
CONTEXT_LENGTH = 256
