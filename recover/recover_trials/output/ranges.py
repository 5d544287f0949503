"""Ranges of parameters for a storage: from a file of the user, or guessed from the values.

A file is YAML, or the Python file with the `suggest_` calls of the objective, which is parsed and
never run.
"""

from __future__ import annotations

import ast
import json
import math
import operator
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from recover_trials.errors import RangesError
from recover_trials.files.unique_keys import load_yaml

DECADES = 100  # largest ratio of positive values that is taken for a linear range
CALLS = {
    "suggest_float": ("FloatDistribution", ("low", "high", "step", "log")),
    "suggest_int": ("IntDistribution", ("low", "high", "step", "log")),
    "suggest_uniform": ("FloatDistribution", ("low", "high")),
    "suggest_loguniform": ("FloatDistribution", ("low", "high")),
    "suggest_discrete_uniform": ("FloatDistribution", ("low", "high", "q")),
    "suggest_categorical": ("CategoricalDistribution", ("choices",)),
}
TYPES = {
    "float": "FloatDistribution",
    "int": "IntDistribution",
    "categorical": "CategoricalDistribution",
}
FIELDS = {"low", "high", "step", "log", "choices"}
OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
LARGEST = 1e12  # number of an operation
HIGHEST_POWER = 64
EXAMPLE = "write, for example, lr: {type: float, low: 1e-5, high: 1e-1, log: true}"

Ranges = dict[str, dict[str, Any]]


def read_ranges(path: Path) -> Ranges:
    """Return the distributions of a file, as Optuna's JSON has them. Raises RangesError."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix == ".py":
            return ranges_in(ast.parse(text))
        entries = load_yaml(text)
        if not isinstance(entries, dict) or not entries:
            raise RangesError(f"no parameters; {EXAMPLE}")
        return {str(name): from_entry(str(name), entry) for name, entry in entries.items()}
    except (OSError, ValueError, SyntaxError, RecursionError, RangesError) as error:
        raise RangesError(f"{path}: {error}") from None


def from_entry(name: str, entry: Any) -> dict[str, Any]:
    """Return the distribution of an entry of YAML."""
    if isinstance(entry, list):
        entry = {"choices": entry}
    if not isinstance(entry, dict):
        raise RangesError(f"{name}: not a range; {EXAMPLE}")
    if isinstance(entry.get("attributes"), dict):  # as Optuna stores it
        return checked(name, str(entry.get("name")), dict(entry["attributes"]))
    kind = entry.get("type", "categorical" if "choices" in entry else None)
    if kind not in TYPES:
        raise RangesError(f"{name}: type must be one of {', '.join(TYPES)}; {EXAMPLE}")
    if unknown := entry.keys() - FIELDS - {"type"}:
        raise RangesError(f"{name}: unknown key {min(unknown)}; {EXAMPLE}")
    return checked(name, TYPES[kind], {key: entry[key] for key in entry if key != "type"})


def checked(name: str, kind: str, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return a distribution that Optuna accepts. Raises RangesError."""
    from optuna.distributions import distribution_to_json, json_to_distribution

    if kind in ("IntDistribution", "FloatDistribution"):
        is_int = kind == "IntDistribution"
        attributes = {"step": 1 if is_int else None, "log": False, **attributes}
        if type(attributes["log"]) is not bool:
            raise RangesError(f"{name}: log must be true or false; {EXAMPLE}")
        for key in ("low", "high", "step"):
            if key not in attributes:
                raise RangesError(f"{name}: {key} is missing; {EXAMPLE}")
            if key != "step" or attributes[key] is not None:
                attributes[key] = number_of(f"{name}: {key}", attributes[key], is_int=is_int)
    try:
        made = json_to_distribution(json.dumps({"name": kind, "attributes": attributes}))
        entry: dict[str, Any] = json.loads(distribution_to_json(made))
    except (ValueError, TypeError, KeyError) as error:
        raise RangesError(f"{name}: {error}") from None
    return entry


def number_of(place: str, value: Any, *, is_int: bool) -> float:
    """Return a number; YAML 1.1 reads 1e-5 as text. Raises RangesError for another value."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, bool) or (is_int and number % 1):
        kind = "a whole number" if is_int else "a finite number"
        raise RangesError(f"{place} must be {kind}; {EXAMPLE}")
    return int(value if isinstance(value, int) else number) if is_int else number


def ranges_in(tree: ast.Module) -> Ranges:
    """Return the ranges of the `suggest_` calls in a Python file."""
    constants = constants_in(tree)
    found: Ranges = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        method = node.func.attr
        if method in CALLS:
            name, made = from_call(node, method, constants)
            if found.setdefault(name, made) != made:
                raise RangesError(f"line {node.lineno}: {name} has two different ranges")
    if not found:
        raise RangesError("the file has no suggest_ call")
    return found


def constants_in(tree: ast.Module) -> dict[str, Any]:
    """Return the constants of a file: names that it assigns once, and does not change.

    `choices.append(...)` would change a list, so that a name with any attribute is no constant.
    """
    nodes = [*ast.walk(tree)]
    names = [n for n in nodes if isinstance(n, ast.Name)]
    stored = Counter(n.id for n in names if not isinstance(n.ctx, ast.Load))
    stored.update(n.arg for n in nodes if isinstance(n, ast.arg))
    parts = [n.value for n in nodes if isinstance(n, ast.Attribute)]
    parts += [n.value for n in nodes if isinstance(n, ast.Subscript) and is_changed(n)]
    changed = {part.id for part in parts if isinstance(part, ast.Name)}
    constants: dict[str, Any] = {}
    for node in nodes:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name) and stored[target.id] == 1 and target.id not in changed:
            with suppress(ValueError):
                constants[target.id] = value_of(node.value, constants)
    return constants


def is_changed(node: ast.Subscript) -> bool:
    """Return whether an item is assigned or deleted."""
    return not isinstance(node.ctx, ast.Load)


def from_call(
    node: ast.Call, method: str, constants: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Return the name and the distribution of a `suggest_` call."""
    kind, names = CALLS[method]
    try:
        given = {
            key: value_of(arg, constants)
            for key, arg in zip(("name", *names), node.args, strict=False)
        }
        for keyword in node.keywords:
            if keyword.arg is None:
                raise ValueError  # **options
            given[keyword.arg] = value_of(keyword.value, constants)
        name = str(given.pop("name"))
    except (ValueError, KeyError):
        raise RangesError(
            f"line {node.lineno}: {method} has an argument that is not a constant; {EXAMPLE}"
        ) from None
    if method == "suggest_loguniform":
        given["log"] = True
    if "q" in given:
        given["step"] = given.pop("q")
    return name, checked(name, kind, given)


def value_of(node: ast.expr, constants: dict[str, Any]) -> Any:
    """Return the value of a literal, a constant, or a result of both. Raises ValueError."""
    if isinstance(node, ast.Name):
        if node.id not in constants:
            raise ValueError(node.id)
        return constants[node.id]
    try:
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            sides = [value_of(side, constants) for side in (node.left, node.right)]
            is_small = not isinstance(node.op, ast.Pow) or abs(sides[1]) <= HIGHEST_POWER
            if is_small and all(abs(side) <= LARGEST for side in sides):
                return OPERATORS[type(node.op)](*sides)
        return ast.literal_eval(node)
    except (ValueError, TypeError, ArithmeticError, SyntaxError, RecursionError) as error:
        raise ValueError(str(error)) from None


def infer_distribution(values: list[Any]) -> Any:
    """Return the narrowest distribution of the given values, in the types of JSON.

    A positive range of more than two decades is logarithmic.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values = [without_tuples(value) for value in values]
    kinds = {type(value) for value in values}
    if kinds <= {int, float} and all(abs(value) < float("inf") for value in values):
        low, high = min(values), max(values)
        log = low > 0 and high / low > DECADES
        if kinds == {int}:
            return IntDistribution(low, high, log=log)
        return FloatDistribution(float(low), float(high), log=log)
    return CategoricalDistribution(list({repr(value): value for value in values}.values()))


def without_tuples(value: Any) -> Any:
    """Return a value with lists for tuples, which a storage cannot hold."""
    if isinstance(value, (list, tuple)):
        return [without_tuples(item) for item in value]
    if isinstance(value, dict):
        return {name: without_tuples(item) for name, item in value.items()}
    return value


def described(name: str, distribution: Any) -> str:
    """Return a guessed range in words."""
    if hasattr(distribution, "choices"):
        return f"{name} one of {', '.join(map(repr, distribution.choices))}"
    kind = "int" if isinstance(distribution.low, int) else "float"
    log = ", log" if distribution.log else ""
    return f"{name} {kind} {distribution.low} to {distribution.high}{log}"
