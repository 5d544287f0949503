"""Words: a text as words and signs, each known by four hashed features.

A hash table needs no vocabulary: a word that training lacks still has its beginning, ending and
form. Two features may share a bucket.
"""

from __future__ import annotations

import re
import zlib

from hpo_script.families.text.constants import HASH_BUCKETS

WORD = re.compile(r"\w+|[^\w\s]")
FEATURES = 4  # of a word
PADDING = 0  # a bucket after the end of a text
MARK = 1  # the bucket of a mark before the question and before the text
HIDDEN = 2  # the bucket of a word that augmentation hides


def word_places(text: str) -> list[tuple[int, int]]:
    """Return start and end of each word or sign, in characters."""
    return [match.span() for match in WORD.finditer(text)]


def form_of(word: str) -> str:
    """Return the kinds of the first five characters: A, a, 0, or the sign itself."""
    capitals = re.sub(r"[A-Z]", "A", word[:5])
    return re.sub(r"[a-z]", "a", re.sub(r"\d", "0", capitals))


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
