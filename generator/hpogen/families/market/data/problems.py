"""Report of a data file: every kind of problem once, and the YAML that mends them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hpogen.configuration.yaml_file import shown
from hpogen.errors import DataError

YAML_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
MOST_ROWS = 3  # of a problem that are listed by number


class Cell(NamedTuple):
    """A cell with a fault, and the number of its row in the file."""

    row: int
    column: str
    text: str


class Problems:
    """The problems of a file, and the lines of YAML that mend them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.mends: dict[str, list[str]] = {}  # lines by section: data, or the top level
        self.columns: dict[str, str] = {}  # to be named by the user: a name in the file

    def add(self, line: str, mend: str = "", section: str = "data") -> None:
        """Add a problem, and a line of YAML that mends it."""
        self.lines.append(line)
        if mend and mend not in self.mends.setdefault(section, []):
            self.mends[section].append(mend)

    def add_cells(self, cells: Sequence[Cell], fault: str, mend: str = "") -> None:
        """Add one problem that some cells have: the first of them, how many rows, which first."""
        if not cells:
            return
        first = min(cells, key=lambda cell: cell.row)
        rows = sorted({cell.row for cell in cells})
        columns = list(dict.fromkeys(cell.column for cell in cells))
        where = "" if len(columns) == 1 else f" in {shown(', '.join(columns), 100)}"
        rest = ", ".join(f"{row}" for row in rows[:MOST_ROWS])
        more = ", …" if len(rows) > MOST_ROWS else ""
        several = f" ({len(rows):,} rows{where}: {rest}{more})" if len(rows) > 1 else ""
        self.add(
            f"row {first.row}, column {shown(first.column)}: '{shown(first.text)}'"
            f" {fault}{several}",
            mend,
        )

    def raise_any(self, path: str) -> None:
        """Raise DataError with all problems, if there is one."""
        if self.lines:
            raise DataError("\n".join([f"{path}: {line}" for line in self.lines] + self.yaml()))

    def yaml(self) -> list[str]:
        """Return the lines that mend the problems, with a head."""
        mends = dict(self.mends)
        if self.columns:
            names = ", ".join(f"{here}: {in_yaml(there)}" for here, there in self.columns.items())
            line = f"columns: {{{names}}}  # their names in the file"
            mends["data"] = [line, *mends.get("data", [])]
        lines = [line for section in mends for line in section_lines(section, mends)]
        return ["mended by these lines in a file for --config:", *lines] if lines else []


def section_lines(section: str, mends: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the lines of a section of a configuration."""
    inner = mends[section]
    return [f"{section}:", *(f"  {line}" for line in inner)] if section else list(inner)


def in_yaml(text: str) -> str:
    """Return a text as YAML in braces needs it: in quotes, unless it is a plain word."""
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_ ]*[A-Za-z0-9_]|[A-Za-z]|\.\.\.", text)
    return text if plain and text.lower() not in YAML_WORDS else json.dumps(text)
