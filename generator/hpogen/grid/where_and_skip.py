"""Architectures that a configuration keeps or skips."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hpogen.configuration.yaml_keys import Bound


def fits(row: Mapping[str, int], where: Mapping[str, Bound]) -> bool:
    """Return whether an architecture is within the ranges of architecture.where."""
    columns = {**row, "head_dim": row["d_model"] // row["n_heads"]}
    return all(bound.holds(columns[name]) for name, bound in where.items())


def skip_indices(
    rows: Sequence[Mapping[str, int]], skip: Iterable[int | Mapping[str, int]]
) -> list[int]:
    """Return the rows that architecture.skip names by index or by column values."""
    return [
        arch_idx
        for arch_idx, row in enumerate(rows)
        if any(
            arch_idx == item if isinstance(item, int) else item.items() <= row.items()
            for item in skip
        )
    ]
