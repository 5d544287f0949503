"""The generated blocks of docs/faults.md: what was measured, and what the tests show.

The fault suites write docs/fault-table.json with `make fault-table`, and benchmarks/overhead.py
writes docs/overhead.json with `make bench-overhead`. Measuring takes minutes; no page does it.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docs_reference import markdown_table

TESTS = Path(__file__).resolve().parent
DOCS = TESTS.parent / "docs"


def read_rows(name: str) -> list[dict[str, Any]]:
    """Return the rows of a file of figures."""
    rows: list[dict[str, Any]] = json.loads((DOCS / name).read_text(encoding="utf-8"))
    return rows


def fault_table() -> str:
    """Return how often each fault was tried, and what went wrong."""
    rows = []
    for counts in read_rows("fault-table.json"):
        suite, what = counts.pop("suite"), counts.pop("what")
        said = ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in counts.items())
        rows.append([suite, what, said])
    return markdown_table(["fault", "on", "counts"], rows)


def overhead() -> str:
    """Return the CPU and memory that a study takes besides its training."""
    rows = [
        [
            f"{row['trials']:,} ({row['log_mb']:.0f} MB)",
            f"{row['start']:.1f} s",
            *(f"{1000 * row[part]:.1f} ms" for part in ("ask", "evaluation", "prune", "end")),
            f"{row['trial']:.2f} s ({row['trial'] / 60:.1%})",
            f"{row['results']:.2f} s",
            f"{row['memory_mb']:.0f} MB ({row['peak_mb']:.0f} MB)",
        ]
        for row in read_rows("overhead.json")
    ]
    head = ["trials in the log", "start", "ask", "evaluation", "prune", "end"]
    head += ["a trial (of a minute)", "tables", "memory (peak)"]
    return markdown_table(head, rows)


def fault_tests() -> str:
    """Return what each suite shows: its docstring, and the rules that its tests are named for."""
    lines = []
    for path in sorted(TESTS.glob("faults/test_*.py")):
        module = ast.parse(path.read_text(encoding="utf-8"))
        names = [node.name for node in module.body if isinstance(node, ast.FunctionDef)]
        about = (ast.get_docstring(module) or "").splitlines()[0]
        lines += [f"`{path.name}`: {about}", ""]
        rules = [name.removeprefix("test_") for name in names if name.startswith("test_")]
        lines += [f"- {rule.replace('_', ' ')}" for rule in rules] + [""]
    return "\n".join(lines)


BLOCKS: dict[str, Callable[[], str]] = {
    "fault-table": fault_table,
    "overhead": overhead,
    "fault-tests": fault_tests,
}
