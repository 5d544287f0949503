"""Lines of Optuna's own logger (5.x): finished, pruned and failed trials."""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

STAMP = re.compile(r"\[[A-Z] (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\] ")
LINE = re.compile(
    r"Trial (?P<number>\d{1,9})"
    r" (?P<end>finished with values?: |pruned\.|failed with parameters: |failed with value )"
    r"|A new study created in \w+(?: with name: (?P<created>.*))?"
    r"|Using an existing study with (?:name |`study_name=)(?P<existing>'[^']*'|\"[^\"]*\")"
)
ERROR = re.compile(r" because of the following error: (.*?)\.?$", re.DOTALL)
PARAMETERS = " and parameters: "
BEST = re.compile(r"\. Best is trial (\d{1,9}) with value: ")
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
    best: int | None = None


@dataclass(frozen=True)
class Opened:
    """A study was created, or one that there was is continued."""

    name: str
    existing: bool


def read_line(text: str) -> list[Result | Opened]:
    """Return what a physical line says.

    Anything may stand before the first line in it. A line cut by a crash has no line end, so
    that the next one, which begins with its time stamp, may stand behind it.
    """
    found: list[Result | Opened] = []
    match = LINE.search(text)
    while match:
        said, end = read_match(text, match)
        if said:
            found.append(said)
        stamps = STAMP.finditer(text, end)
        match = next((line for stamp in stamps if (line := LINE.match(text, stamp.end()))), None)
    return found


def read_match(text: str, match: re.Match[str]) -> tuple[Result | Opened | None, int]:
    """Return what a line says, None if it is cut too early, and where the next one may begin."""
    if match["existing"]:
        return Opened(parse_literal(match["existing"]) or "", existing=True), len(text)
    if not match["number"]:
        return Opened((match["created"] or "").strip(), existing=False), len(text)
    number, time = int(match["number"]), time_before(text, match.start())
    if match["end"].startswith("finished"):
        return finished(text, match.end(), number, time)
    if match["end"] == "pruned.":
        return Result(number, "PRUNED", time), len(text)
    if match["end"] == "failed with value ":
        return Result(number, "FAIL", time), len(text)
    params, end = read_literal(text, match.end())
    cause = ERROR.search(text, end)
    error = cause[1] if cause else None
    if not isinstance(params, dict):
        return Result(number, "FAIL", time, error=error, params_whole=False), len(text)
    return Result(number, "FAIL", time, (), params, error), len(text)


def time_before(text: str, position: int) -> datetime | None:
    """Return the last time stamp before a position."""
    stamps = STAMP.findall(text, 0, position)
    try:
        return datetime.strptime(stamps[-1], "%Y-%m-%d %H:%M:%S,%f") if stamps else None
    except ValueError:
        return None


def finished(
    text: str, start: int, number: int, time: datetime | None
) -> tuple[Result | None, int]:
    """Read a finished trial from its value on."""
    if text.startswith(("[", "{"), start):
        found, end = read_literal(text, start)
    else:
        end = text.find(PARAMETERS, start)
        found = parse_literal(text[start:end]) if end > 0 else None
    if isinstance(found, dict):  # named metrics
        found = list(found.values())
    values = found if isinstance(found, list) else [found]
    numbers = all(isinstance(value, (int, float)) for value in values)
    if not numbers or not text.startswith(PARAMETERS, end):
        return None, start
    params, after = read_literal(text, end + len(PARAMETERS))
    if not isinstance(params, dict):
        return Result(number, "COMPLETE", time, tuple(values), params_whole=False), end
    told = BEST.match(text, after)
    best = int(told[1]) if told else None
    return Result(number, "COMPLETE", time, tuple(values), params, best=best), after


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
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
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
