"""The blocks of docs/faults.md that are generated: what was measured, and what the tests show.

docs/fault-table.json is written by `make fault-table`, docs/fault-counts.jsonl by the fault suites
where FAULT_RESULTS names it, docs/overhead.json by `make bench-overhead`. Measuring takes minutes
to hours, so none of it is done for a page.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path

from docs_reference import markdown_table

TESTS = Path(__file__).resolve().parent
DOCS = TESTS.parent / "docs"


def fault_table() -> str | None:
    """Return what each fault does to Optuna alone and to a script."""
    path = DOCS / "fault-table.json"
    if not path.exists():
        return None
    head, *rows = json.loads(path.read_text(encoding="utf-8"))
    return markdown_table(head, rows)


def fault_counts() -> str | None:
    """Return how often each suite has done what, and what went wrong; the last of each counts."""
    path = DOCS / "fault-counts.jsonl"
    if not path.exists():
        return None
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        counts = json.loads(line)
        found[counts.pop("suite"), counts.pop("what")] = counts
    rows = [
        [suite, what, ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in counts.items())]
        for (suite, what), counts in found.items()
    ]
    return markdown_table(["suite", "on", "counts"], rows)


def overhead() -> str | None:
    """Return what a trial costs besides its training."""
    path = DOCS / "overhead.json"
    if not path.exists():
        return None
    rows = [
        [
            storage,
            f"{row['besides']:.2f} s",
            f"{row['besides'] / 60:.1%}",
            f"{row['besides_last_tenth']:.2f} s",
        ]
        for storage, row in json.loads(path.read_text(encoding="utf-8")).items()
    ]
    head = ["storage", "a trial of 50 evaluations", "of a minute", "the last of 50 trials"]
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


BLOCKS: dict[str, Callable[[], str | None]] = {
    "fault-table": fault_table,
    "fault-counts": fault_counts,
    "overhead": overhead,
    "fault-tests": fault_tests,
}
