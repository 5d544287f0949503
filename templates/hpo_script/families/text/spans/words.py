"""Words: the words and signs of a text, and their form."""

from __future__ import annotations

import re

WORD = re.compile(r"\w+|[^\w\s]")


def word_places(text: str) -> list[tuple[int, int]]:
    """Return start and end of each word or sign, in characters."""
    return [match.span() for match in WORD.finditer(text)]


def form_of(word: str) -> str:
    """Return the kinds of the first five characters: A, a, 0, or the sign itself."""
    capitals = re.sub(r"[A-Z]", "A", word[:5])
    return re.sub(r"[a-z]", "a", re.sub(r"\d", "0", capitals))
