"""Lines of Optuna's own logger (5.x): finished, pruned and failed trials."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

FINISHED = re.compile(r"Trial (\d+) finished with values?: ")
PRUNED = re.compile(r"Trial (\d+) pruned\.")
FAILED = re.compile(r"Trial (\d+) failed with parameters: ")
FAILED_AGAIN = re.compile(r"Trial (\d+) failed with value ")
CREATED = re.compile(r"A new study created in \w+(?: with name: (.*))?")
ERROR = re.compile(r" because of the following error: (.*?)\.?$", re.DOTALL)
STAMP = re.compile(r"\[[A-Z] (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\] ")
NAMES = {"nan": math.nan, "inf": math.inf, "True": True, "False": False, "None": None}


@dataclass(frozen=True)
class Result:
    """The end of a trial as Optuna prints it."""

    number: int
    state: str
    time: datetime | None
    values: tuple[float, ...] = ()
    params: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    params_whole: bool = True


@dataclass(frozen=True)
class Created:
    """A study was created."""

    name: str


def parse_line(text: str) -> Result | Created | None:
    """Return what a line says, None for lines that are not of these kinds."""
    stamp = STAMP.search(text)
    time = datetime.strptime(stamp[1], "%Y-%m-%d %H:%M:%S,%f") if stamp else None
    if match := FINISHED.search(text):
        return finished(text, match, time)
    if match := PRUNED.search(text):
        return Result(int(match[1]), "PRUNED", time)
    if match := FAILED.search(text):
        params, end = read_literal(text, match.end())
        cause = ERROR.search(text, end)
        whole = isinstance(params, dict)
        known = params if isinstance(params, dict) else {}
        error = cause[1] if cause else None
        return Result(int(match[1]), "FAIL", time, (), known, error, whole)
    if match := FAILED_AGAIN.search(text):
        return Result(int(match[1]), "FAIL", time)
    if match := CREATED.search(text):
        return Created((match[1] or "").strip())
    return None


def finished(text: str, match: re.Match[str], time: datetime | None) -> Result | None:
    """Read the rest of a line about a finished trial; None if its value is not whole."""
    parameters = text.find(" and parameters: ", match.end())
    if parameters < 0:
        return None
    found = parse_literal(text[match.end() : parameters])
    if isinstance(found, dict):  # named metrics
        found = list(found.values())
    values = found if isinstance(found, list) else [found]
    if not all(isinstance(value, (int, float)) for value in values):
        return None
    params, _ = read_literal(text, parameters + len(" and parameters: "))
    whole = isinstance(params, dict)
    known = params if isinstance(params, dict) else {}
    return Result(int(match[1]), "COMPLETE", time, tuple(values), known, None, whole)


def read_literal(text: str, start: int) -> tuple[Any, int]:
    """Return the literal that begins with a brace at `start`, and where it ends; None if cut.

    Brackets inside of strings do not count, so that a value may hold any text.
    """
    depth, quote, position = 0, "", start
    while position < len(text):
        char = text[position]
        if quote:
            position += char == "\\"
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        else:
            depth += (char in "{[(") - (char in "}])")
            if depth == 0:
                return parse_literal(text[start : position + 1]), position + 1
        position += 1
    return None, len(text)


def parse_literal(text: str) -> Any:
    """Return the value of a Python literal, nan, inf and np.float64(x) among them.

    The text is parsed, never evaluated; None for anything else.
    """
    try:
        return value_of(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def value_of(node: ast.expr) -> Any:
    """Return the value of a node. Raises ValueError for what is no literal."""
    if isinstance(node, ast.Constant):
        return node.value
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


def is_numpy_scalar(node: ast.Call) -> bool:
    """Tell whether a call is the repr of a numpy scalar."""
    return (
        isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in ("np", "numpy")
        and len(node.args) == 1
        and not node.keywords
    )
