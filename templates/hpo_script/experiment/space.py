"""Architecture space: how the sampler sees ARCHITECTURES.

Rows that differ only in a free axis (the heads, which do not change the parameter count) are one
shape. The sampler is given the shape's number, in the order of the list (deep and narrow to
shallow and wide), and for each free axis the number of one of its values: both are ordered, so
that a model of the search space can use neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence


class ArchSpace:
    """A list of architectures and the two-way map between its rows and search parameters."""

    def __init__(
        self,
        architectures: Sequence[Mapping[str, int]],
        *,
        free_axes: Sequence[str],
        skip: Sequence[int] = (),
    ) -> None:
        self.architectures = architectures
        self.choices = {axis: sorted({row[axis] for row in architectures}) for axis in free_axes}
        shapes: dict[tuple[int, ...], list[int]] = {}
        for arch_idx, row in enumerate(architectures):
            key = tuple(value for axis, value in row.items() if axis not in free_axes)
            shapes.setdefault(key, []).append(arch_idx)
        self.shapes = list(shapes.values())
        self.shape_of = {row: shape for shape, rows in enumerate(self.shapes) for row in rows}
        self.allowed = [row for row in self.shape_of if row not in skip]

    def sizes(self) -> dict[str, int]:
        """Return the search parameters, each an integer from 0, and how many values each has."""
        heads = {f"{axis}_idx": len(values) for axis, values in self.choices.items()}
        return {"shape_idx": len(self.shapes), **heads}

    def encode(self, arch_idx: int) -> dict[str, int]:
        """Return the search parameters that stand for a row."""
        row = self.architectures[arch_idx]
        indices = {f"{axis}_idx": values.index(row[axis]) for axis, values in self.choices.items()}
        return {"shape_idx": self.shape_of[arch_idx], **indices}

    def decode(self, params: Mapping[str, int]) -> int:
        """Return the row that search parameters stand for.

        Where that row is skipped, or a shape does not have the wanted value of a free axis (6
        heads do not divide a width of 64), the nearest one is taken: of the nearest shape, then
        by distance in log2.
        """

        def distance(arch_idx: int) -> tuple[int, float]:
            row = self.architectures[arch_idx]
            return abs(self.shape_of[arch_idx] - params["shape_idx"]), sum(
                abs(math.log2(row[axis] / values[params[f"{axis}_idx"]]))
                for axis, values in self.choices.items()
            )

        return min(self.allowed, key=distance)
