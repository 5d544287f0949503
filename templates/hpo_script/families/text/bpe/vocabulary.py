"""Vocabulary: the tokens of padding and of hidden tokens."""

from __future__ import annotations

from hpo_script.families.text.constants import VOCAB_SIZE

PADDING = VOCAB_SIZE  # follows the tokens of texts
HIDDEN = VOCAB_SIZE + 1  # in place of a token that augmentation hides
