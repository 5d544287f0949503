"""Architectures within a budget."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction

Architecture = dict[str, int]


def within_budget(
    candidates: Iterable[Mapping[str, int]],
    *,
    count_params: Callable[[Mapping[str, int]], int],
    budget: int,
    tolerance: float,
) -> list[Architecture]:
    """Return the candidates whose exact parameter count is within budget ± tolerance.

    Rows are in the order in which a search walks them: by aspect, d_model / n_layers, from deep
    and narrow to shallow and wide, then by d_ff, then by the other axes. Within a budget the
    aspect is nearly all there is to a shape.
    """
    low, high = Fraction(budget) * (1 - Fraction(tolerance)), budget * (1 + Fraction(tolerance))
    rows = [{**candidate, "params": count_params(candidate)} for candidate in candidates]
    fitting = [row for row in rows if low <= row["params"] <= high]
    return sorted(
        fitting,
        key=lambda row: (Fraction(row["d_model"], row["n_layers"]), row["d_ff"], *row.values()),
    )


def nearest_budgets(counts: Iterable[int], budget: int, n: int = 3) -> list[int]:
    """Return the n parameter counts nearest to a budget, by ratio."""
    distinct = sorted(set(counts), key=lambda count: max(count / budget, budget / count))
    return sorted(distinct[:n])
