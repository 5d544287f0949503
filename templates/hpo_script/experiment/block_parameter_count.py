"""Parameter count and activation bytes of the transformer block, computed without torch."""

from __future__ import annotations

from collections.abc import Mapping


def block_params(d_model: int, d_ff: int) -> int:
    """Return the number of trainable parameters of one `transformer.Block`."""
    return 4 * d_model * d_model + 2 * d_model * d_ff + 9 * d_model + d_ff


def saved_bytes(arch: Mapping[str, int], tokens: int) -> int:
    """Return the bytes of activations that all blocks keep per sample for the backward pass, fp32.

    An upper bound: it includes attention weights, which fused kernels do not keep.
    """
    d, d_ff, heads = arch["d_model"], arch["d_ff"], arch["n_heads"]
    per_token = 10 * d + 2 * d_ff + heads * tokens + 4
    return 4 * tokens * arch["n_layers"] * per_token
