"""Parameter count and activation bytes of the span model, computed without torch."""

from __future__ import annotations

from collections.abc import Mapping

from hpo_script.experiment.block_parameter_count import block_params, saved_bytes

NEAR = 5  # words in the convolution


def count_params(arch: Mapping[str, int], *, context_length: int, hash_buckets: int) -> int:
    """Return the exact number of trainable parameters of `spans.model.SpanFinder`."""
    d, d_ff = arch["d_model"], arch["d_ff"]
    blocks = arch["n_layers"] * block_params(d, d_ff)
    near = NEAR * d * d + d
    return (hash_buckets + context_length) * d + near + blocks + 2 * d + 2 * (d + 1)


def sample_bytes(arch: Mapping[str, int], *, context_length: int) -> int:
    """Return the bytes of activations per sample for the backward pass, without the loss."""
    d = arch["d_model"]
    return saved_bytes(arch, context_length) + 4 * context_length * (3 * d + 10)
