"""Constants of the text family."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hpogen.families.family import Constant
from hpogen.families.shared import Column, Count, Digest, Name, Positive, Share, UpTo

DEMO_PATH = "data/licences.csv"
DEMO_LABELS = [
    "agpl-3.0",
    "agpl-3.0-plus",
    "apache-2.0",
    "bsd-new",
    "bsd-simplified",
    "cc-by-3.0",
    "cc0-1.0",
    "gpl-1.0-plus",
    "gpl-2.0",
    "gpl-2.0-plus",
    "gpl-3.0",
    "gpl-3.0-plus",
    "lgpl-2.0-plus",
    "lgpl-2.1",
    "lgpl-2.1-plus",
    "lgpl-3.0",
    "mit",
    "other-permissive",
    "proprietary-license",
    "public-domain",
]
CONTEXT = "tokens that the model sees of a text; a token is a byte without vocab_size"
VOCABULARY = "tokens: 256 bytes, and byte pairs of training texts"
Vocabulary = Annotated[int, Field(ge=257, le=2**16)]
Labels = Annotated[list[Name], Field(min_length=2, max_length=1000)]

ENCODER = Constant(
    "encoder",
    "model",
    None,
    Name | None,
    "folder or name of a model of transformers",
    optional="encoder",
)
CONSTANTS = (
    Constant("data_path", "data", DEMO_PATH, Name, "CSV, TSV, JSON Lines or Parquet"),
    Constant("data_sha256", "data", None, Digest | None, "of that file; checked if given"),
    Constant("text_column", "data", "text", Column, "the column of the texts"),
    Constant("label_column", "data", "label", Column, "the column of the labels"),
    Constant("labels", "data", DEMO_LABELS, Labels, "in the order of the model's outputs"),
    Constant("group_column", "splits", None, Column | None, "no group is in two splits"),
    Constant("split_column", "splits", None, Column | None, "train, val or test, if given"),
    Constant("train_fraction", "splits", 0.7, Share, "of all texts, the same for each label"),
    Constant("val_fraction", "splits", 0.15, Share, "the rest is test, dropped on reading"),
    Constant("train_subset", "splits", 1.0, UpTo, "of the training texts"),
    Constant("split_seed", "splits", 0, Count, "of the random splits, apart from SEED"),
    Constant("min_class_samples", "splits", 5, Positive, "refuse fewer texts of a label"),
    Constant("context_length", "model", 256, Positive, CONTEXT),
    Constant("vocab_size", "model", None, Vocabulary | None, VOCABULARY, optional="vocab_size"),
    ENCODER,
)
