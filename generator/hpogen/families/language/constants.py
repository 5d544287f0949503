"""Constants of the language family."""

from __future__ import annotations

from hpogen.families.family import Constant
from hpogen.families.shared import Digest, Name, Positive, Share, UpTo

CONSTANTS = (
    Constant("data_path", "data", "data/stdlib.txt", Name, "text file or folder"),
    Constant("data_sha256", "data", None, Digest | None, "of the text; checked if given"),
    Constant("file_pattern", "data", "**/*", Name, "text files of a folder that are read"),
    Constant("train_fraction", "splits", 0.8, Share, "of all bytes, from the start"),
    Constant("val_fraction", "splits", 0.1, Share, "the rest is test, dropped on reading"),
    Constant("train_subset", "splits", 1.0, UpTo, "of the training bytes, from the end"),
    Constant("val_bytes", "splits", 262_144, Positive, "largest number that an evaluation reads"),
    Constant("context_length", "model", 256, Positive, "bytes that the model sees"),
)
