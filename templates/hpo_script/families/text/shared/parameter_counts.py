"""Parameter count and activation bytes of the model with one encoder, computed without torch."""

from __future__ import annotations

from collections.abc import Mapping

from hpo_script.families.text.spans import parameter_counts as spans


def count_params(
    arch: Mapping[str, int], *, context_length: int, hash_buckets: int, n_labels: int
) -> int:
    """Return the exact number of trainable parameters of `shared.model.LabelSpanModel`."""
    finder = spans.count_params(arch, context_length=context_length, hash_buckets=hash_buckets)
    return finder + (arch["d_model"] + 1) * n_labels


def sample_bytes(arch: Mapping[str, int], *, context_length: int) -> int:
    """Return the bytes of activations per sample for the backward pass, without the loss."""
    of_labels = 4 * context_length * (arch["d_model"] + 2)
    return spans.sample_bytes(arch, context_length=context_length) + of_labels
