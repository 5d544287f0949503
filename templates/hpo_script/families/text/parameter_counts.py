"""Parameter count and activation bytes of the text classifier, computed without torch."""

from __future__ import annotations

from collections.abc import Mapping

from hpo_script.experiment.block_parameter_count import block_params, saved_bytes

BYTES = 256
SPECIAL = 2  # padding and hidden tokens


def head_params(d_model: int, n_labels: int, head: str) -> int:
    """Return the number of trainable parameters of a head, linear or mlp."""
    hidden = (d_model + 1) * d_model if head == "mlp" else 0
    return hidden + (d_model + 1) * n_labels


def count_params(
    arch: Mapping[str, int],
    *,
    context_length: int,
    n_labels: int,
    head: str,
    vocab_size: int = BYTES,
) -> int:
    """Return the exact number of trainable parameters of `model.TextClassifier`."""
    d, d_ff = arch["d_model"], arch["d_ff"]
    blocks = arch["n_layers"] * block_params(d, d_ff)
    rows = vocab_size + SPECIAL + context_length
    return rows * d + blocks + 2 * d + head_params(d, n_labels, head)


def sample_bytes(arch: Mapping[str, int], *, context_length: int) -> int:
    """Return the bytes of activations per sample for the backward pass, without the loss."""
    d = arch["d_model"]
    return saved_bytes(arch, context_length) + 4 * context_length * (2 * d + 4) + 8 * d
