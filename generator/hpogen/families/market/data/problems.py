"""Report of the problems of a data file, and the YAML that fixes them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hpogen.configuration.yaml_file import shown
from hpogen.errors import DataError

YAML_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
MAX_ROWS = 3  # row numbers that a problem lists


class Cell(NamedTuple):
    """A cell with a fault, and the number of its row in the file."""

    row: int
    column: str
    text: str


class Problems:
    """The problems of a file, and the lines of YAML that fix them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.fixes: dict[str, list[str]] = {}  # lines by section: data, or the top level
        self.columns: dict[str, str] = {}  # that the user must name: a name in the file

    def add(self, line: str, fix: str = "", section: str = "data") -> None:
        """Add a problem, and a line of YAML that fixes it."""
        self.lines.append(line)
        if fix and fix not in self.fixes.setdefault(section, []):
            self.fixes[section].append(fix)

    def add_cells(self, cells: Sequence[Cell], fault: str, fix: str = "") -> None:
        """Add one problem for all cells: it shows the first cell and the first row numbers."""
        if not cells:
            return
        first = min(cells, key=lambda cell: cell.row)
        rows = sorted({cell.row for cell in cells})
        columns = list(dict.fromkeys(cell.column for cell in cells))
        where = "" if len(columns) == 1 else f" in {shown(', '.join(columns), 100)}"
        rest = ", ".join(f"{row}" for row in rows[:MAX_ROWS])
        more = ", …" if len(rows) > MAX_ROWS else ""
        several = f" ({len(rows):,} rows{where}: {rest}{more})" if len(rows) > 1 else ""
        self.add(
            f"row {first.row}, column {shown(first.column)}: '{shown(first.text)}'"
            f" {fault}{several}",
            fix,
        )

    def raise_any(self, path: str) -> None:
        """Raise DataError with all problems, if any."""
        if self.lines:
            raise DataError("\n".join([f"{path}: {line}" for line in self.lines] + self.yaml()))

    def yaml(self) -> list[str]:
        """Return a heading and the lines that fix the problems."""
        fixes = dict(self.fixes)
        if self.columns:
            names = ", ".join(f"{name}: {in_yaml(other)}" for name, other in self.columns.items())
            line = f"columns: {{{names}}}  # their names in the file"
            fixes["data"] = [line, *fixes.get("data", [])]
        lines = [line for section in fixes for line in section_lines(section, fixes)]
        return ["to fix this, add these lines to a file for --config:", *lines] if lines else []


def section_lines(section: str, fixes: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the lines of a section of a configuration."""
    inner = fixes[section]
    return [f"{section}:", *(f"  {line}" for line in inner)] if section else list(inner)


def in_yaml(text: str) -> str:
    """Return a text for YAML in braces, in quotes where YAML needs them."""
    is_word = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_ ]*[A-Za-z0-9_]|[A-Za-z]|\.\.\.", text)
    return text if is_word and text.lower() not in YAML_WORDS else json.dumps(text)
