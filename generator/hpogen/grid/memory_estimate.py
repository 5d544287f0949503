"""Memory that the training of an architecture needs, estimated before any script runs.

The script itself measures a sample on the meta device: machinery/device.py.
"""

from __future__ import annotations

BYTES_PER_PARAMETER = 16  # fp32 weight, gradient and Adam's two moments


def memory_bytes(params: int, sample_bytes: int) -> int:
    """Return the bytes that training needs at batch size 1, in fp32.

    `sample_bytes` are those that one sample keeps for the backward pass.
    """
    return BYTES_PER_PARAMETER * params + sample_bytes


def too_large(sizes: list[int], max_memory_gb: float | None) -> set[int]:
    """Return the rows whose bytes exceed max_memory_gb."""
    if max_memory_gb is None:
        return set()
    return {idx for idx, size in enumerate(sizes) if size > max_memory_gb * 1e9}
