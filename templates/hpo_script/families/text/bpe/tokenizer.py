"""Tokenizer: the byte pairs of texts, by merges."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hpo_script.families.text.bpe.merges import WORD, Pair, merged


class Tokenizer:
    """The tokens of texts by merges; it keeps those of each word."""

    def __init__(self, merges: Sequence[Pair]) -> None:
        self.merges = merges
        self.numbers = {pair: 256 + n for n, pair in enumerate(merges)}
        self.known: dict[bytes, list[int]] = {}

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        return [token for word in WORD.findall(text.encode()) for token in self.word_tokens(word)]

    def word_tokens(self, word: bytes) -> list[int]:
        """Return the tokens of a word, the earliest merge first."""
        if word not in self.known:
            tokens = [*word]
            while pairs := [pair for pair in pairwise(tokens) if pair in self.numbers]:
                first = min(pairs, key=self.numbers.__getitem__)
                tokens = merged(tokens, first, self.numbers[first])
            self.known[word] = tokens
        return self.known[word]

    def contents(self) -> list[bytes]:
        """Return the bytes of each token."""
        found = [bytes([byte]) for byte in range(256)]
        for first, second in self.merges:
            found.append(found[first] + found[second])
        return found


BYTES = Tokenizer(())  # without merges
