"""Parameter count and activation bytes of the model with two encoders, computed without torch."""

from __future__ import annotations

from collections.abc import Mapping

from hpo_script.families.text.spans import parameter_counts as spans


def count_params(
    arch: Mapping[str, int], *, context_length: int, hash_buckets: int, n_labels: int
) -> int:
    """Return the exact number of trainable parameters of `joint.model.LabelSpanModel`."""
    d = arch["d_model"]
    head = 2 * (d + 1)
    finder = spans.count_params(arch, context_length=context_length, hash_buckets=hash_buckets)
    fusion = 2 * d * d + d + 2 * d
    return 2 * (finder - head) + fusion + head + (d + 1) * n_labels


def sample_bytes(arch: Mapping[str, int], *, context_length: int) -> int:
    """Return the bytes of activations per sample for the backward pass, without the loss.

    Of a script with one fusion, concat.
    """
    d = arch["d_model"]
    encoders = 2 * spans.sample_bytes(arch, context_length=context_length)
    return encoders + 4 * context_length * (4 * d + 4)
