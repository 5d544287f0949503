"""The filter by budget: the architectures whose parameter count is within its tolerance."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

Architecture = dict[str, int]


def within_budget(
    candidates: Iterable[Architecture], *, budget: int, tolerance: float
) -> list[Architecture]:
    """Return the candidates whose exact parameter count is within budget ± tolerance.

    Rows are sorted by aspect ratio, d_model / n_layers, from deep and narrow to shallow and wide,
    then by d_ff, then by the other axes. Within a budget the aspect ratio nearly fixes the shape.
    """
    low, high = Fraction(budget) * (1 - Fraction(tolerance)), budget * (1 + Fraction(tolerance))
    fitting = [row for row in candidates if low <= row["params"] <= high]
    return sorted(
        fitting,
        key=lambda row: (Fraction(row["d_model"], row["n_layers"]), row["d_ff"], *row.values()),
    )


def nearest_budgets(counts: Iterable[int], budget: int, n: int = 3) -> list[int]:
    """Return the n parameter counts nearest to a budget, by ratio."""
    distinct = sorted(set(counts), key=lambda count: max(count / budget, budget / count))
    return sorted(distinct[:n])
