"""Parameter count and activation bytes of PatchTST, computed without torch."""

from __future__ import annotations

from collections.abc import Mapping

from hpo_script.experiment.block_parameter_count import block_params, saved_bytes


def n_patches(context_length: int, patch_length: int, stride: int) -> int:
    """Return the number of patches of a context."""
    return (context_length - patch_length) // stride + 1


def input_sizes(inputs: str, n_columns: int) -> tuple[int, int, int]:
    """Return (channels, statistics per window, trainable parameters) of a choice for inputs."""
    return {
        "revin": (n_columns, 0, 2 * n_columns),
        "revin_stats": (n_columns, 2 * n_columns, 2 * n_columns),
        "scale_free": (n_columns + 1, 0, 0),
        "zscore": (n_columns, 0, 0),
    }[inputs]


def count_params(
    arch: Mapping[str, int],
    *,
    inputs: str,
    n_start: int,
    n_columns: int,
    context_length: int,
    patch_length: int,
    stride: int,
) -> int:
    """Return the exact number of trainable parameters of `model.PatchTST` with its start.

    `n_start`: start features of a linear start, 0 without one.
    """
    d, d_ff = arch["d_model"], arch["d_ff"]
    channels, statistics, input_params = input_sizes(inputs, n_columns)
    tokens = n_patches(context_length, patch_length, stride)
    embedding = (patch_length * channels + statistics) * d + d + tokens * d
    blocks = arch["n_layers"] * block_params(d, d_ff)
    start = n_start + 1 if n_start else 0
    return input_params + embedding + blocks + 2 * d + d + 1 + start


def sample_bytes(
    arch: Mapping[str, int],
    *,
    inputs: str,
    n_start: int,
    n_columns: int,
    context_length: int,
    patch_length: int,
    stride: int,
) -> int:
    """Return the bytes of activations per sample for the backward pass, without the loss."""
    channels, statistics, _ = input_sizes(inputs, n_columns)
    tokens = n_patches(context_length, patch_length, stride)
    ends = tokens * (patch_length * channels + statistics + 2 * arch["d_model"] + 2)
    window = context_length * (channels + n_start) if n_start else 0  # kept for the linear start
    return saved_bytes(arch, tokens) + 4 * (ends + window + arch["d_model"])
