"""Architecture space: ARCHITECTURES as parameters that the sampler draws.

Rows that differ only in FREE_AXES have one shape. The sampler draws `shape_idx`, from deep and
narrow to shallow and wide, and an index per free axis, so that similar architectures have
neighbouring indices. A shape may lack a value of a free axis: only divisors of d_model are heads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from hpo_script.experiment.shared import Arch


class ArchSpace:
    """The two-way map between rows of ARCHITECTURES and search parameters."""

    def __init__(self, rows: Sequence[Arch], free_axes: Sequence[str], skip: Sequence[int]):
        self.rows = rows
        self.choices = {axis: sorted({row[axis] for row in rows}) for axis in free_axes}
        shapes: dict[tuple[int, ...], list[int]] = {}
        for arch_idx, row in enumerate(rows):
            shape = tuple(value for axis, value in row.items() if axis not in free_axes)
            shapes.setdefault(shape, []).append(arch_idx)
        self.shapes = list(shapes.values())
        self.shape_of = {row: shape for shape, rows in enumerate(self.shapes) for row in rows}
        self.allowed = [row for row in self.shape_of if row not in skip]

    def sizes(self) -> dict[str, int]:
        """Return {search parameter: number of values}; the values are integers from 0."""
        free = {f"{axis}_idx": len(sizes) for axis, sizes in self.choices.items()}
        return {"shape_idx": len(self.shapes), **free}

    def encode(self, arch_idx: int) -> dict[str, int]:
        """Return the search parameters of a row."""
        row = self.rows[arch_idx]
        free = {f"{axis}_idx": sizes.index(row[axis]) for axis, sizes in self.choices.items()}
        return {"shape_idx": self.shape_of[arch_idx], **free}

    def decode(self, params: Mapping[str, int]) -> int:
        """Return the index of the allowed row that is nearest by shape, then by its free axes."""

        def distance(arch_idx: int) -> tuple[int, float]:
            row, gap = self.rows[arch_idx], 0.0
            for axis, sizes in self.choices.items():
                gap += abs(math.log2(row[axis] / sizes[params[f"{axis}_idx"]]))
            return abs(self.shape_of[arch_idx] - params["shape_idx"]), gap

        return min(self.allowed, key=distance)
