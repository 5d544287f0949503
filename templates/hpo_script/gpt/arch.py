"""Sizes of GPT, without torch."""

from __future__ import annotations

from collections.abc import Mapping

VOCABULARY = 256  # bytes


def count_params(arch: Mapping[str, int], *, context_length: int) -> int:
    """Return the exact number of trainable parameters of `model.GPT`; the head is tied."""
    d, d_ff = arch["d_model"], arch["d_ff"]
    block = 4 * d * d + 2 * d * d_ff + 9 * d + d_ff
    return (VOCABULARY + context_length) * d + arch["n_layers"] * block + 2 * d
