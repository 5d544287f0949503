"""EXTREME_INDICES: architectures that every study tries, one at each end of each axis."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence


def extreme_indices(
    architectures: Sequence[Mapping[str, int]], axes: Sequence[str]
) -> dict[int, str]:
    """Return {arch_idx: the ends it stands for}, in the order of the axes.

    For each end of each axis: of the architectures at that end the one nearest the centre of all
    other columns (distance in log2, centre the median over the list). One architecture may stand
    for two ends; an axis with one value has no ends.
    """
    columns = [name for name in architectures[0] if name != "params"]
    logs = [{name: math.log2(row[name]) for name in columns} for row in architectures]
    centre = {name: statistics.median(row[name] for row in logs) for name in columns}

    def distance(arch_idx: int, axis: str) -> float:
        others = (name for name in columns if name != axis)
        return sum((logs[arch_idx][name] - centre[name]) ** 2 for name in others)

    found: dict[int, list[str]] = {}
    for axis in axes:
        values = [row[axis] for row in architectures]
        if min(values) == max(values):
            continue
        for name, end in (("min", min(values)), ("max", max(values))):
            at_end = [arch_idx for arch_idx, value in enumerate(values) if value == end]
            ranked = {arch_idx: distance(arch_idx, axis) for arch_idx in at_end}
            nearest = min(ranked, key=lambda arch_idx: ranked[arch_idx])
            found.setdefault(nearest, []).append(f"{name} {axis}")
    return {arch_idx: ", ".join(ends) for arch_idx, ends in found.items()}
