"""n-gram: a model of the next byte from counts of the bytes before it.

Each order is mixed with the next shorter one, the more so the more different bytes followed a
context (Witten and Bell 1991, method C); order 0 is mixed with 1/256.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MAX_ORDER = 6  # bytes before the next one; with it, they fit into 64 bits


class Counts(NamedTuple):
    """Counts of one order: of contexts with the next byte, and of contexts."""

    pairs: np.ndarray
    pair_counts: np.ndarray
    contexts: np.ndarray
    context_counts: np.ndarray
    followers: np.ndarray  # different bytes after each context


def codes(text: bytes, order: int) -> np.ndarray:
    """Return, for each byte from MAX_ORDER on, a number for it and the `order` bytes before."""
    values = np.frombuffer(text, dtype=np.uint8).astype(np.uint64)
    found = np.zeros(len(values) - MAX_ORDER, dtype=np.uint64)
    for back in range(order, -1, -1):
        end = len(values) - back
        found = found << np.uint64(8) | values[MAX_ORDER - back : end]
    return found


def count(text: bytes, order: int) -> Counts:
    """Return the counts of a text."""
    pairs, pair_counts = np.unique(codes(text, order), return_counts=True)
    contexts, place = np.unique(pairs >> np.uint64(8), return_inverse=True)
    totals = np.bincount(place, weights=pair_counts)
    return Counts(pairs, pair_counts.astype(np.float64), contexts, totals, np.bincount(place))


def looked_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the value of each wanted key, 0 where there is none; `keys` are sorted."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], 0.0)


def n_gram_bits(train: bytes, text: bytes) -> list[np.ndarray]:
    """Return, for each order from 0 to MAX_ORDER, the bits of each byte of a text.

    The first MAX_ORDER bytes of `text` are context only.
    """
    probabilities = np.full(len(text) - MAX_ORDER, 1 / 256)
    bits = []
    for order in range(MAX_ORDER + 1):
        known, wanted = count(train, order), codes(text, order)
        context = wanted >> np.uint64(8)
        seen = looked_up(known.pairs, known.pair_counts, wanted)
        total = looked_up(known.contexts, known.context_counts, context)
        followers = looked_up(known.contexts, known.followers, context)
        mixed = (seen + followers * probabilities) / np.maximum(total + followers, 1.0)
        probabilities = np.where(total > 0, mixed, probabilities)
        bits.append(-np.log2(probabilities))
    return bits
