"""Literals read by the parser of Python: what JSON does not have."""

from __future__ import annotations

import ast
import math
import warnings
from typing import Any

NAMES = {"nan": math.nan, "inf": math.inf, "True": True, "False": False, "None": None}
LONGEST_INT = 14_000  # bits


def read(text: str) -> Any:
    """Return the value of a literal; None for anything else. It is parsed, never evaluated."""
    try:
        with warnings.catch_warnings():  # of Python's, on what it would not write itself
            warnings.simplefilter("ignore")
            return value_of(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return None


def value_of(node: ast.expr) -> Any:
    """Return the value of a node. Raises ValueError for what is no literal."""
    if isinstance(node, ast.Constant):
        return constant(node.value)
    if isinstance(node, ast.Name) and node.id in NAMES:
        return NAMES[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -value_of(node.operand)
    if isinstance(node, ast.Tuple):
        return tuple(value_of(item) for item in node.elts)
    if isinstance(node, ast.List):
        return [value_of(item) for item in node.elts]
    if isinstance(node, ast.Dict) and None not in node.keys:
        pairs = zip(node.keys, node.values, strict=True)
        return {value_of(key): value_of(value) for key, value in pairs if key}
    if isinstance(node, ast.Call) and is_numpy_scalar(node):
        return value_of(node.args[0])
    raise ValueError(ast.dump(node))


def constant(value: Any) -> Any:
    """Return a constant. Raises ValueError for a whole number that is too long to be printed."""
    if isinstance(value, int) and value.bit_length() > LONGEST_INT:
        raise ValueError(value.bit_length())
    return value


def is_numpy_scalar(node: ast.Call) -> bool:
    """Tell whether a call is the repr of a numpy scalar."""
    return (
        isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("np", "numpy")
        and len(node.args) == 1
        and not node.keywords
    )
