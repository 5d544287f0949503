"""Pareto front: the trials than which no other one is better in all objectives."""

from __future__ import annotations

from collections.abc import Iterable


def pareto_front(points: Iterable[tuple[float, ...]]) -> set[tuple[float, ...]]:
    """Return the points that no other one dominates; lower values are better, none is NaN."""
    front: list[tuple[float, ...]] = []
    for point in sorted(set(points)):  # a point comes after all that dominate it
        pairs = (zip(known, point, strict=True) for known in front)
        if not any(all(low <= value for low, value in pair) for pair in pairs):
            front.append(point)
    return set(front)
