"""Constants of a script, read without running it."""

from __future__ import annotations

import ast
from collections.abc import Container
from typing import Any


def literals(text: str, names: Container[str]) -> dict[str, Any]:
    """Return the constants of some names that a script assigns, outside of everything else.

    Each is a literal, or the name of one before it. Nothing is evaluated. Raises ValueError,
    SyntaxError, TypeError, RecursionError or MemoryError where the text is no Python, or such a
    constant no literal.
    """
    found: dict[str, Any] = {}
    for node in ast.parse(text).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            if isinstance(target, ast.Name) and target.id in names:
                found[target.id] = value_of(node, found)
    return found


def value_of(node: Any, known: dict[str, Any]) -> Any:
    """Return what is assigned. Raises ValueError for what is no literal."""
    if isinstance(node.value, ast.Name) and node.value.id in known:
        return known[node.value.id]
    return ast.literal_eval(node.value)
