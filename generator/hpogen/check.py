"""Check of a script: the specification in its header is rendered again and compared."""

from __future__ import annotations

import ast
import difflib
import json
from pathlib import Path

from pydantic import ValidationError

from hpogen.configuration.yaml_file import shown
from hpogen.errors import HpogenError, UsageError
from hpogen.final.final_spec import FinalSpec, render_final
from hpogen.rendering.render import read_mark, render
from hpogen.spec import Spec

MAX_CONSTANTS = 10  # lines about changed constants


def read_script(path: Path) -> str:
    """Return a script's text with its line ends. Raises UsageError."""
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a NUL in the path
        reason = getattr(error, "strerror", None) or "is not a text file"
        raise UsageError(f"{shown(str(path), 200)}: {reason}; give a script of hpogen") from None


def header_spec(path: Path, script: str) -> Spec | FinalSpec:
    """Return the specification in the header of a search or final script. Raises UsageError."""
    name = shown(str(path), 200)
    try:
        fields = read_mark(script)
        if fields is None:
            raise UsageError(f"{name}: no hpogen header line; give a script of hpogen")
        return (FinalSpec if "configurations" in fields else Spec).model_validate(fields)
    except (json.JSONDecodeError, IndexError, RecursionError, ValidationError):
        raise UsageError(
            f"{name}: the hpogen header line is not valid; it was edited or written by another"
            " version of hpogen. Render the script again"
        ) from None


def fresh_render(path: Path, script: str) -> str:
    """Render the specification in a script's header; return the text. Raises UsageError."""
    spec = header_spec(path, script)
    try:
        return render_final(spec) if isinstance(spec, FinalSpec) else render(spec)
    except HpogenError as error:
        raise UsageError(f"{shown(str(path), 200)}: {error}") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise UsageError(
            f"{shown(str(path), 200)}: the specification in the header line was edited and cannot"
            " be rendered. Render the script again"
        ) from None


def difference(path: Path) -> str:
    """Return the difference between a script and a new render of it; empty if there is none.

    First a line per changed constant, then a unified diff from the render to the file. Raises
    UsageError for a file that hpogen did not render.
    """
    script = read_script(path)
    fresh = fresh_render(path, script)
    if script == fresh:
        return ""
    diff = difflib.unified_diff(
        fresh.splitlines(keepends=True),
        script.splitlines(keepends=True),
        "rendered",
        shown(str(path), 200),
        n=2,
    )
    lines = [*changed_constants(fresh, script), *diff]
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def changed_constants(fresh: str, script: str) -> list[str]:
    """Return a comment line per constant that differs: its name and both values."""
    try:
        rendered, edited = constants_of(fresh), constants_of(script)
    except (SyntaxError, ValueError, RecursionError) as error:
        return [f"# the file is not valid Python: {shown(str(error), 200)}"]
    lines = []
    for name in dict.fromkeys([*rendered, *edited]):
        old, new = rendered.get(name), edited.get(name)
        if new is None:
            lines.append(f"# {name} is missing, rendered {shown(old)}")
        elif old is None:
            lines.append(f"# {name} is {shown(new)}, not rendered")
        elif old != new:
            lines.append(f"# {name} is {shown(new)}, rendered {shown(old)}")
    n_more = len(lines) - MAX_CONSTANTS
    return [*lines[:MAX_CONSTANTS], f"# and {n_more} more"] if n_more > 0 else lines


def constants_of(script: str) -> dict[str, str]:
    """Return the source of each constant above the first function; of a dict or list, per item."""
    sources: dict[str, str] = {}
    for node in ast.parse(script).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            break
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(value, ast.expr):
                sources |= item_sources(target.id, value)
    return sources


def item_sources(name: str, value: ast.expr) -> dict[str, str]:
    """Return {name[key]: source} of a dict or list, {name: source} of any other value."""
    pairs: list[tuple[str, ast.expr]] = []
    if isinstance(value, ast.Dict):
        keys = (ast.unparse(key) if key else "**" for key in value.keys)
        pairs = list(zip(keys, value.values, strict=True))
    elif isinstance(value, ast.List):
        pairs = [(str(index), item) for index, item in enumerate(value.elts)]
    if not pairs:
        return {name: ast.unparse(value)}
    return {f"{name}[{shown(key)}]": ast.unparse(item) for key, item in pairs}
