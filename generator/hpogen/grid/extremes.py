"""Extremes: architectures that every study tries first, one at each end of each axis."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence


def extreme_indices(
    architectures: Sequence[Mapping[str, int]], axes: Sequence[str], *, skip: Sequence[int] = ()
) -> dict[int, str]:
    """Return {arch_idx: its extremes, such as "min d_model"}, in the order of the axes.

    The extreme at an end of an axis is the architecture at that end whose other columns are
    nearest to their medians (squared distance in log2). One architecture may be several extremes.
    An axis with one value has none. Rows in `skip` are ignored.
    """
    rows = {idx: row for idx, row in enumerate(architectures) if idx not in skip}
    columns = [name for name in architectures[0] if name != "params"]
    logs = {idx: {name: math.log2(row[name]) for name in columns} for idx, row in rows.items()}
    centre = {name: statistics.median(row[name] for row in logs.values()) for name in columns}

    def distance(arch_idx: int, axis: str) -> float:
        others = (name for name in columns if name != axis)
        return sum((logs[arch_idx][name] - centre[name]) ** 2 for name in others)

    extremes: dict[int, list[str]] = {}
    for axis in axes:
        values = {arch_idx: row[axis] for arch_idx, row in rows.items()}
        low, high = min(values.values()), max(values.values())
        if low == high:
            continue
        for name, end in (("min", low), ("max", high)):
            at_end = [arch_idx for arch_idx, value in values.items() if value == end]
            ranked = {arch_idx: distance(arch_idx, axis) for arch_idx in at_end}
            nearest = min(ranked, key=lambda arch_idx: ranked[arch_idx])
            extremes.setdefault(nearest, []).append(f"{name} {axis}")
    return {arch_idx: ", ".join(ends) for arch_idx, ends in extremes.items()}
