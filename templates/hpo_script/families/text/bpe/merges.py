"""Byte pairs: bytes that often stand together in the training texts become one token.

Byte pair encoding as in Sennrich et al. 2016 (arXiv:1508.07909), on bytes as in Radford et al.
2019. Token n below 256 is a byte, and token 256 + n is merge n. No token crosses a border between
words; the borders depend on the bytes alone, not on Python's tables of Unicode.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

Pair = tuple[int, int]
WORD = re.compile(
    rb" ?(?:[A-Za-z\x80-\xff]{1,40}|[0-9]{1,40}|[^\sA-Za-z0-9\x80-\xff]{1,40})|\s{1,40}"
)


def merged(tokens: Sequence[int], pair: Pair, new: int) -> list[int]:
    """Return tokens with each pair, from the left, replaced by a new token."""
    found: list[int] = []
    for token in tokens:
        if found and (found[-1], token) == pair:
            found[-1] = new
        else:
            found.append(token)
    return found


class WordPairs:
    """Different words as tokens, how often each pair stands in the texts, and in which words."""

    def __init__(self, times: Mapping[bytes, int]) -> None:
        self.words, self.times = [[*word] for word in times], [*times.values()]
        self.counts: Counter[Pair] = Counter()
        self.places: defaultdict[Pair, set[int]] = defaultdict(set)
        self.changed: set[Pair] = set()  # not yet in the heap with their counts
        self.heap: list[tuple[int, Pair]] = []
        for place in range(len(self.words)):
            self.count(place, 1)

    def count(self, place: int, sign: int) -> None:
        """Add the pairs of a word to the counts, or subtract them."""
        for pair in pairwise(self.words[place]):
            self.counts[pair] += sign * self.times[place]
            self.places[pair].add(place)
            self.changed.add(pair)

    def commonest(self) -> Pair | None:
        """Return the commonest pair, of equal ones the smallest; None if no pair occurs twice."""
        for pair in self.changed:
            if self.counts[pair] > 1:
                heapq.heappush(self.heap, (-self.counts[pair], pair))
        self.changed.clear()
        while self.heap:
            count, pair = heapq.heappop(self.heap)
            if -count == self.counts[pair]:  # else the heap has it with a newer count, too
                return pair
        return None

    def merge(self, pair: Pair, new: int) -> None:
        """Replace a pair by a new token in the words that hold it."""
        for place in self.places.pop(pair):
            self.count(place, -1)
            self.words[place] = merged(self.words[place], pair, new)
            self.count(place, 1)


def train_merges(texts: Iterable[str], n_merges: int) -> list[Pair]:
    """Return the pairs to merge, in order; fewer than n_merges if no pair occurs twice."""
    pairs = WordPairs(Counter(word for text in texts for word in WORD.findall(text.encode())))
    merges: list[Pair] = []
    while len(merges) < n_merges and (pair := pairs.commonest()):
        pairs.merge(pair, 256 + len(merges))
        merges.append(pair)
    return merges
