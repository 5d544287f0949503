"""The largest budget, predicted from the smaller ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from hpogen.scaling.exponent_interval import answer_of
from hpogen.scaling.parameters_and_compute import PARAMETERS
from hpogen.scaling.studies_that_qualify import Cell


class HeldOut(NamedTuple):
    """A cell with its prediction.

    Attributes:
        predicted: loss by the law of the other budgets, with its interval.
        before: loss of the budget before, which the rule "no change" predicts.
    """

    cell: Cell
    predicted: tuple[float, float, float]
    before: float

    @property
    def is_inside(self) -> bool:
        return self.predicted[1] <= self.cell.loss <= self.predicted[2]


def held_out(cells: Sequence[Cell]) -> HeldOut | None:
    """Return the best cell of the largest budget as the others predict it.

    None if these are too few.
    """
    largest = max((cell.budget for cell in cells), default=0)
    others = [cell for cell in cells if cell.budget < largest]
    answer = answer_of(others)
    if answer.refusal:
        return None
    target = min((c for c in cells if c.budget == largest), key=lambda cell: cell.loss)
    second = max(cell.budget for cell in others)
    before = min(cell.loss for cell in others if cell.budget == second)
    size = math.log(PARAMETERS.size(target.winner) or math.nan)
    return HeldOut(target, answer.predicted(size), before)
