"""Constants of a Python script, read without running it."""

from __future__ import annotations

import ast
from collections.abc import Container
from typing import Any


def constants_of(text: str, names: Container[str]) -> dict[str, Any]:
    """Return the constants of the given names that a script assigns at its top level.

    A value is a literal, or the name of an earlier constant. Raises ValueError, SyntaxError,
    TypeError, RecursionError or MemoryError if the text is not Python, or a value is not a
    literal.
    """
    constants: dict[str, Any] = {}
    for node in ast.parse(text).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            if isinstance(target, ast.Name) and target.id in names:
                constants[target.id] = assigned_value(node, constants)
    return constants


def assigned_value(node: Any, constants: dict[str, Any]) -> Any:
    """Return the assigned value. Raises ValueError if it is not a literal."""
    if isinstance(node.value, ast.Name) and node.value.id in constants:
        return constants[node.value.id]
    return ast.literal_eval(node.value)
