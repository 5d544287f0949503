"""Default constants of the text family, so that its parts can be imported and tested."""

from __future__ import annotations

TEXT_COLUMN = "text"
LABEL_COLUMN = "label"
GROUP_COLUMN: str | None = None
SPLIT_COLUMN: str | None = None
LABELS: list[str] = ["no", "yes"]
TRAIN_FRACTION = 0.7
VAL_FRACTION = 0.15
TRAIN_SUBSET = 1.0
SPLIT_SEED = 0
MIN_CLASS_SAMPLES = 5
CONTEXT_LENGTH = 256
VOCAB_SIZE = 1000

ENCODER = "encoder"
ENCODER_SHA256 = ""

QUESTION_COLUMN: str | None = "question"
START_COLUMN: str | None = "start"
END_COLUMN: str | None = "end"
ANSWER_COLUMN: str | None = None
MAX_ANSWER = 30
HASH_BUCKETS = 1024
MIN_ANSWERS = 20
