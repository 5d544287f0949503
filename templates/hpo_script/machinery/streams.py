"""Random streams: each has a key, so nothing depends on what ran before."""

from __future__ import annotations

import hashlib


def stream_seed(seed: int, *key: int | str) -> int:
    """Return the seed (63 bits) of the stream named by a key such as (trial, epoch, purpose)."""
    digest = hashlib.blake2b(repr((seed, *key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
