"""Pages, their fenced blocks, and Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
NOT_RUN = re.compile(r"<!-- not run: .+ -->")


def pages() -> list[Path]:
    """Return the README and every page in docs."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


class Block(NamedTuple):
    """A fenced block: number of its first line, language, lines, and whether it is executed."""

    line: int
    language: str
    lines: list[str]
    runs: bool


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    lines = text.splitlines()
    position, before = 0, ""
    while position < len(lines):
        if lines[position].startswith("```"):
            end = lines.index("```", position + 1)
            language = lines[position].removeprefix("```")
            runs = language in ("console", "python") and not NOT_RUN.fullmatch(before)
            yield Block(position + 2, language, lines[position + 1 : end], runs)
            position = end
        before = lines[position]
        position += 1


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def code(value: object) -> str:
    """Return a value set as code, with bars escaped, which would end a cell."""
    return f"`{value}`".replace("|", "\\|")


def codes(values: Iterable[object]) -> str:
    """Return values set as code, separated by commas."""
    return ", ".join(map(code, values))
