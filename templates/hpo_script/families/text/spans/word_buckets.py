"""Word buckets: each word of question and text, known by four hashed features.

A hash table needs no vocabulary: a word that training lacks still has its beginning, ending and
form. Two features may share a bucket.
"""

from __future__ import annotations

import zlib

from hpo_script.families.text.constants import HASH_BUCKETS
from hpo_script.families.text.spans.words import form_of, word_places

FEATURES = 4  # of a word
PADDING = 0  # a bucket after the end of a text
MARK = 1  # the bucket of a mark before the question and before the text
HIDDEN = 2  # the bucket of a word that augmentation hides


def word_buckets(word: str, role: str) -> list[int]:
    """Return the buckets of a word, FEATURES many; `role`: of a question or a text."""
    lower = word.lower()
    features = (
        f"word {lower}",
        f"begins {lower[:3]}",
        f"ends {lower[-3:]}",
        f"is {form_of(word)}",
    )
    hashes = [zlib.crc32(f"{role} {feature}".encode()) for feature in features]
    return [3 + number % (HASH_BUCKETS - 3) for number in hashes]


def encode(question: str, text: str, context_length: int) -> tuple[list[list[int]], int]:
    """Return the buckets of a question and a text, and the position at which the text begins.

    The question is cut to a quarter of the context, the text to the rest.
    """
    asked, words = (
        [word_buckets(line[start:end], role) for start, end in word_places(line)]
        for role, line in (("question", question), ("text", text))
    )
    mark = [[MARK, *[PADDING] * (FEATURES - 1)]]
    head = [*mark, *asked[: context_length // 4], *mark]
    return [*head, *words][:context_length], len(head)
