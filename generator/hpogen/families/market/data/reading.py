"""State of reading a data file: its table, configured constants and results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hpogen.families.market.data.problems import Cell, Problems
from hpogen.families.market.data.table import Table


@dataclass
class Reading:
    """A table, and the constants, notes and problems that its reader collects."""

    table: Table
    configured: Mapping[str, Any]  # constants that the configuration sets
    read_options: dict[str, Any]  # constants with which the script reads the file
    needed: Sequence[str]  # prices that the task needs
    names: dict[str, str] = field(default_factory=dict)  # {name in the script: in the file}
    notes: list[str] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)

    def cells(self, name: str) -> Sequence[str]:
        """Return the cells of a column by its name in the script."""
        return self.table.column(self.names[name])

    def cell(self, name: str, index: int) -> Cell:
        """Return a cell of a column."""
        return Cell(self.table.numbers[index], self.names[name], self.cells(name)[index])
