"""Constants of span extraction."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hpogen.families.family import Constant
from hpogen.families.shared import Column, Count, Digest, Name, Positive, Share, UpTo
from hpogen.families.text.constants import ENCODER

DEMO_PATH = "data/licence-spans.csv"

Buckets = Annotated[int, Field(ge=16, le=2**20)]

CONSTANTS = (
    Constant("data_path", "data", DEMO_PATH, Name, "CSV, TSV, JSON Lines or Parquet"),
    Constant("data_sha256", "data", None, Digest | None, "of that file; checked if given"),
    Constant("text_column", "data", "text", Column, "the column of the texts"),
    Constant("question_column", "data", "question", Column | None, "read before the text"),
    Constant("start_column", "data", "start", Column, "first character of the answer, from 0"),
    Constant("end_column", "data", "end", Column, "after its last one; both empty: no answer"),
    Constant("answer_column", "data", None, Column | None, "in place of start and end"),
    Constant("group_column", "splits", None, Column | None, "no group is in two splits"),
    Constant("split_column", "splits", None, Column | None, "train, val or test, if given"),
    Constant("train_fraction", "splits", 0.7, Share, "of all texts, with and without answers"),
    Constant("val_fraction", "splits", 0.15, Share, "the rest is test, dropped on reading"),
    Constant("train_subset", "splits", 1.0, UpTo, "of the training texts"),
    Constant("split_seed", "splits", 0, Count, "of the random splits, apart from SEED"),
    Constant("min_answers", "splits", 20, Positive, "refuse fewer answers in a split"),
    Constant("context_length", "model", 96, Positive, "words of question and text"),
    Constant("hash_buckets", "model", 1024, Buckets, "rows of the embedding table"),
    Constant("max_answer", "model", 30, Positive, "words of an answer"),
    ENCODER,
)
