"""Tables of the families, from what they declare."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from importlib import resources

from hpogen.families import FAMILIES
from hpogen.families.family import Family
from page_tools.pages import code, codes, table


def families() -> str:
    """Return the table of families: a row per field, the default choice first."""
    rows: dict[str, Callable[[Family], str]] = {
        "tasks": lambda f: codes(kind.example for kind in f.tasks),
        "default task": lambda f: code(f.default_task) if f.default_task else "none: `--task`",
        "horizon": lambda f: "yes" if f.has_horizon else "no",
        "axes": lambda f: codes(f.axes),
        "axes that leave the count as it is": lambda f: codes(f.free_axes),
        "axes with extremes": lambda f: codes(f.extreme_axes),
        "metrics": lambda f: codes(default_first(f.metrics, f.default_metric)),
        "second metric only": lambda f: codes(f.second_metrics),
        "options": lambda f: choices(f.options, f.default_options),
        "switches": lambda f: choices(
            {name: switch.choices for name, switch in f.switches.items()},
            {param.name: str(param.default) for param in f.params},
        ),
        "parts of the experiment": lambda f: codes(f.parts),
    }
    lines = [[name, *(row(family) for family in FAMILIES)] for name, row in rows.items()]
    return table(["", *(code(family.name) for family in FAMILIES)], lines)


def default_first(names: Iterable[str], default: str) -> list[str]:
    """Return names with the default in front."""
    return sorted(names, key=lambda name: name != default)


def choices(tables: Mapping[str, Iterable[str]], defaults: Mapping[str, str]) -> str:
    """Return the choices of options or switches."""
    lines = [
        f"{code(name)}: {codes(default_first(table, defaults[name]))}"
        for name, table in tables.items()
    ]
    return "<br>".join(lines) or "none"


def task_protocol() -> str:
    """Return the methods that the class Task of a data part has."""
    return protocol_table("experiment/task.py")


def final_task_protocol() -> str:
    """Return the methods that the class FinalTask of a final script has besides."""
    return protocol_table("final/task.py")


def protocol_table(name: str) -> str:
    """Return the methods of the class in a part."""
    part = resources.files("hpo_script").joinpath(name)
    (protocol,) = [
        node
        for node in ast.parse(part.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    ]
    rows = []
    for node in protocol.body:
        if isinstance(node, ast.FunctionDef):
            arguments = [argument.arg for argument in node.args.args[1:]]
            returns = ast.unparse(node.returns) if node.returns else ""
            call = f"{node.name}({', '.join(arguments)})"
            rows.append([code(call), code(returns), ast.get_docstring(node) or ""])
    return table(["method", "returns", "what it does"], rows)
