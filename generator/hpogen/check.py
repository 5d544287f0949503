"""Checking: is a script what its specification renders to?"""

from __future__ import annotations

import ast
import difflib
import json
from pathlib import Path

from pydantic import ValidationError

from hpogen.errors import HpogenError, UsageError
from hpogen.render import read_mark, render
from hpogen.spec import Spec
from hpogen.yaml_file import shown

MOST = 10  # lines about constants


def read_script(path: Path) -> str:
    """Return a script's text, line ends untouched. Raises UsageError."""
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, ValueError) as error:  # ValueError: no text, or a name that is none
        reason = getattr(error, "strerror", None) or "not a text file"
        raise UsageError(f"{shown(str(path), 200)}: {reason}") from None


def spec_of(path: Path, script: str) -> Spec:
    """Return the specification in a script's header. Raises UsageError."""
    name = shown(str(path), 200)
    try:
        found = read_mark(script)
        if found is None:
            raise UsageError(f"{name}: no hpogen header line; was it rendered by hpogen?")
        return Spec.model_validate(found)
    except (json.JSONDecodeError, IndexError, RecursionError, ValidationError):
        raise UsageError(
            f"{name}: the hpogen header line cannot be read; it was edited, or written by another"
            " version of hpogen: render the script again"
        ) from None


def fresh_render(path: Path, script: str) -> str:
    """Render the specification in a script's header; return the text. Raises UsageError."""
    spec = spec_of(path, script)
    try:
        return render(spec)
    except HpogenError as error:
        raise UsageError(f"{shown(str(path), 200)}: {error}") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise UsageError(
            f"{shown(str(path), 200)}: the specification in the header line was edited and renders"
            " to nothing; render the script again"
        ) from None


def difference(path: Path) -> str:
    """Return how a file differs from what its specification renders to; empty if it does not.

    First a line per changed constant, then a unified diff from the render to the file. Raises
    UsageError for a file that is no script of hpogen's.
    """
    script = read_script(path)
    fresh = fresh_render(path, script)
    if script == fresh:
        return ""
    lines = difflib.unified_diff(
        fresh.splitlines(keepends=True),
        script.splitlines(keepends=True),
        "rendered",
        shown(str(path), 200),
        n=2,
    )
    found = [*changed_constants(fresh, script), *lines]
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in found)


def changed_constants(fresh: str, script: str) -> list[str]:
    """Return a line per constant that differs: its name, its value here and there."""
    try:
        ours, theirs = constants_of(fresh), constants_of(script)
    except (SyntaxError, ValueError, RecursionError) as error:
        return [f"# the file is not valid Python: {shown(str(error), 200)}"]
    found = []
    for name in dict.fromkeys([*ours, *theirs]):
        old, new = ours.get(name), theirs.get(name)
        if old != new:
            there = "is gone" if new is None else f"is {shown(new)}"
            found.append(f"# {name} {there}, rendered {'nothing' if old is None else shown(old)}")
    rest = len(found) - MOST
    return [*found[:MOST], f"# and {rest} more"] if rest > 0 else found


def constants_of(script: str) -> dict[str, str]:
    """Return the source of each constant at the top of a script, item by item where it has any."""
    found: dict[str, str] = {}
    for node in ast.parse(script).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            break
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(value, ast.expr):
                found |= items_of(target.id, value)
    return found


def items_of(name: str, value: ast.expr) -> dict[str, str]:
    """Return the sources of a value: of each item of a dict or list, else of the whole."""
    pairs: list[tuple[str, ast.expr]] = []
    if isinstance(value, ast.Dict):
        keys = (ast.unparse(key) if key else "**" for key in value.keys)
        pairs = list(zip(keys, value.values, strict=True))
    elif isinstance(value, ast.List):
        pairs = [(str(index), item) for index, item in enumerate(value.elts)]
    if not pairs:
        return {name: ast.unparse(value)}
    return {f"{name}[{shown(key)}]": ast.unparse(item) for key, item in pairs}
