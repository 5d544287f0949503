"""Reading: a table, what was said about it, and what was recognised so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hpogen.families.market.data.problems import Cell, Problems
from hpogen.families.market.data.table import Table


@dataclass
class Reading:
    """A table on its way to a data file."""

    table: Table
    said: Mapping[str, Any]  # constants of the configuration
    form: dict[str, Any]  # constants by which the script reads the file
    needed: Sequence[str]  # prices that the task cannot do without
    names: dict[str, str] = field(default_factory=dict)  # of columns here: in the file
    notes: list[str] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)

    def cells(self, name: str) -> Sequence[str]:
        """Return the cells of a column by its name in the script."""
        return self.table.column(self.names[name])

    def cell(self, name: str, index: int) -> Cell:
        """Return a cell of a column."""
        return Cell(self.table.numbers[index], self.names[name], self.cells(name)[index])
