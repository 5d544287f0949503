"""Architectures within a budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from hpogen.config import Bound

Architecture = dict[str, int]


def within_budget(
    candidates: Iterable[Architecture], *, budget: int, tolerance: float
) -> list[Architecture]:
    """Return the candidates whose exact parameter count is within budget ± tolerance.

    Rows are in the order in which a search walks them: by aspect, d_model / n_layers, from deep
    and narrow to shallow and wide, then by d_ff, then by the other axes. Within a budget the
    aspect is nearly all there is to a shape.
    """
    low, high = Fraction(budget) * (1 - Fraction(tolerance)), budget * (1 + Fraction(tolerance))
    fitting = [row for row in candidates if low <= row["params"] <= high]
    return sorted(
        fitting,
        key=lambda row: (Fraction(row["d_model"], row["n_layers"]), row["d_ff"], *row.values()),
    )


def fits(row: Mapping[str, int], where: Mapping[str, Bound]) -> bool:
    """Tell whether an architecture is within the bounds that a user set."""
    columns = {**row, "head_dim": row["d_model"] // row["n_heads"]}
    return all(bound.holds(columns[name]) for name, bound in where.items())


def skip_indices(
    rows: Sequence[Mapping[str, int]], skip: Iterable[int | Mapping[str, int]]
) -> list[int]:
    """Return the rows that are skipped by their number or by what they are."""
    return [
        arch_idx
        for arch_idx, row in enumerate(rows)
        if any(
            arch_idx == item if isinstance(item, int) else item.items() <= row.items()
            for item in skip
        )
    ]


def nearest_budgets(counts: Iterable[int], budget: int, n: int = 3) -> list[int]:
    """Return the n parameter counts nearest to a budget, by ratio."""
    distinct = sorted(set(counts), key=lambda count: max(count / budget, budget / count))
    return sorted(distinct[:n])
