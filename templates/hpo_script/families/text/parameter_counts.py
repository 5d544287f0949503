"""Parameter count and activation bytes of the text classifier, computed without torch."""

from __future__ import annotations

from collections.abc import Mapping

from hpo_script.experiment.block_parameter_count import block_params, saved_bytes

VOCABULARY = 258  # bytes, padding and hidden bytes


def count_params(arch: Mapping[str, int], *, context_length: int, n_labels: int) -> int:
    """Return the exact number of trainable parameters of `model.TextClassifier`."""
    d, d_ff = arch["d_model"], arch["d_ff"]
    blocks = arch["n_layers"] * block_params(d, d_ff)
    return (VOCABULARY + context_length) * d + blocks + 2 * d + (d + 1) * n_labels


def sample_bytes(arch: Mapping[str, int], *, context_length: int) -> int:
    """Return the bytes of activations per sample for the backward pass, without the loss."""
    d = arch["d_model"]
    return saved_bytes(arch, context_length) + 4 * context_length * (2 * d + 4) + 8 * d
