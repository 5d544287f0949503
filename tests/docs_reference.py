"""The reference of configuration files, made of their JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from hpogen.families import FAMILIES
from hpogen.families.family import Family
from hpogen.plan import Match, Plan, PlanException
from hpogen.render import render
from hpogen.samplers import Method
from hpogen.schema import json_schema, without_noise
from hpogen.sections import SCRIPT_SECTIONS
from hpogen.spec import make_spec

Node = Mapping[str, Any]
SCHEMA = json_schema()
ENTRIES = {"float": "FloatEntry", "int": "IntEntry", "categorical": "CategoricalEntry"}
BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
PATTERNS = {"^[0-9a-f]{64}$": "SHA-256", "^[0-9]{4}-[0-9]{2}-[0-9]{2}$": "date"}
WORDS = {"integer": "whole number", "string": "text", "boolean": "`true` or `false`"}


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def code(value: object) -> str:
    """Return a value set as code; a bar would end the cell."""
    return f"`{value}`".replace("|", "\\|")


def as_yaml(value: Any) -> str:
    """Return a value as YAML on one line writes it."""
    if isinstance(value, list):
        return f"[{', '.join(map(as_yaml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {as_yaml(item)}' for name, item in value.items())}}}"
    return value if isinstance(value, str) else json.dumps(value)


def type_of(node: Node) -> str:
    """Return the type of a value in words."""
    for word in ("anyOf", "oneOf"):
        if word in node:
            return " or ".join(dict.fromkeys(type_of(item) for item in node[word] if item != NULL))
    if "const" in node:
        return code(as_yaml(node["const"]))
    if "enum" in node:
        return " or ".join(code(value) for value in node["enum"])
    return plain_type(node)


NULL = {"type": "null"}


def plain_type(node: Node) -> str:
    """Return the type of a value without alternatives in words."""
    kind = node.get("type", "mapping")
    if kind == "array":
        return f"list of: {type_of(node['items'])}"
    if kind == "object" or "$ref" in node:
        return "mapping"
    if isinstance(kind, list):
        return " or ".join(WORDS.get(item, item) for item in kind)
    bounds = [f"{text} {node[name]:g}" for name, text in BOUNDS.items() if name in node]
    bounds = [text for text in bounds if "e+" not in text]
    word = node.get("title") or PATTERNS.get(node.get("pattern", "")) or WORDS.get(kind, kind)
    return " ".join([word, " and ".join(bounds)]).strip()


def default_of(node: Node) -> str:
    """Return the default of a value, if it has one worth saying."""
    default = node.get("default")
    return "" if default in (None, {}, []) else code(as_yaml(default))


def row_of(name: str, node: Node) -> list[str]:
    """Return the line of a key: name, type, default, meaning."""
    return [code(name), type_of(node), default_of(node), node.get("description", "")]


def keys(node: Node) -> str:
    """Return the table of the keys of a mapping."""
    rows = [row_of(name, item) for name, item in node["properties"].items()]
    return markdown_table(["key", "type", "default", "meaning"], rows)


def top_level() -> str:
    """Return the keys of a file that are no sections of a family, and those of `study`."""
    own = {"options", "data", "splits", "model", "architecture", "search", "fixed"}
    top = SCHEMA["properties"]
    plain = {name: node for name, node in top.items() if name not in {*own, *METHODS, "study"}}
    plain["task"] = {**plain["task"], "anyOf": [{"type": "string"}]}
    plain["budget"] = {**plain["budget"], "anyOf": [{"type": "string"}, {"type": "integer"}]}
    return "\n\n".join([
        keys({"properties": plain}),
        "Under `study:`",
        keys(SCHEMA["$defs"]["StudyConfig"]),
    ])  # fmt: skip


def entries() -> str:
    """Return the keys of the three kinds of search entries."""
    parts = []
    for kind, name in ENTRIES.items():
        node = SCHEMA["$defs"][name]
        rest = {key: item for key, item in node["properties"].items() if key != "type"}
        parts += [f"`type: {kind}`. {node['description']}", keys({"properties": rest})]
    return "\n\n".join(parts)


METHODS = {"sampler": "Samplers", "pruner": "Pruners"}


def methods(section: str) -> str:
    """Return every sampler or pruner with its arguments."""
    parts = []
    for option in SCHEMA["properties"][section]["oneOf"]:
        name = option["$ref"].rpartition("/")[2]
        node = SCHEMA["$defs"][name]
        kind = node["properties"]["type"]["const"]
        (method,) = [m for m in Method.__subclasses__() if m.__name__ == name]
        needs = f" Needs {', '.join(map(code, method.requires))}." if method.requires else ""
        head = f"### {code(f'type: {kind}')}\n\n{node['description']}{needs}"
        rest = {key: item for key, item in node["properties"].items() if key != "type"}
        parts.append(f"{head}\n\n{keys({'properties': rest})}" if rest else head)
    return "\n\n".join(parts)


def script_sections() -> str:
    """Return the sections that not every script has, and how long they are."""
    rows = []
    for name, section in SCRIPT_SECTIONS.items():
        without, with_it = (
            render(make_spec(budget="2M", horizon=1, with_sections=some)) for some in ((), (name,))
        )
        longer = with_it.count("\n") - without.count("\n")
        rows.append([code(name), section.about, f"{longer}"])
    return markdown_table(["section", "what it does", "lines"], rows)


def plan() -> str:
    """Return the keys of a plan, of a match and of an exception."""
    plan, match, exception = (
        keys(without_noise(kind.model_json_schema())) for kind in (Plan, Match, PlanException)
    )
    titles = ("Under `match:`, and in the list `exclude:`", "In the list `exceptions:`")
    return "\n\n".join([plan, titles[0], match, titles[1], exception])


def param_rows(family: Family, node: Node) -> list[list[str]]:
    """Return the hyper-parameters: searched by default over what, or fixed at what."""
    search, fixed = node["search"]["properties"], node["fixed"]["properties"]
    where = brought_by(family)
    rows = []
    for name, item in fixed.items():
        searched = search[name].get("default")
        default = (
            f"search: {code(as_yaml(searched))}" if searched else f"fixed: {default_of(item)}"
        )
        about = item["description"]
        told = f"{about}; with {where[name]}" if name in where else about
        rows.append([code(name), type_of(item), default, told])
    return rows


def brought_by(family: Family) -> dict[str, str]:
    """Return {parameter: the choice it comes with} for those that not every script has."""
    tables = {**family.options, **{name: s.choices for name, s in family.switches.items()}}
    return {
        param.name: code(f"{name}: {value}")
        for name, table in tables.items()
        for value, choice in table.items()
        for param in choice.params
    }


def family_reference(family: Family) -> str:
    """Return every key that a family adds."""
    node = SCHEMA["$defs"][family.name]["properties"]
    parts = [f"Tasks: {', '.join(code(kind.example) for kind in family.tasks)}."]
    for name in ("data", "splits", "model"):
        parts += [f"Under `{name}:`", keys(node[name])]
    if family.options:
        rows = [
            [code(option), code(choice["const"]), choice["description"]]
            for option, item in node["options"]["properties"].items()
            for choice in item["oneOf"]
        ]
        defaults = ", ".join(code(f"{n}: {v}") for n, v in family.default_options.items())
        head = f"Under `options:` (default {defaults})"
        parts += [head, markdown_table(["option", "choice", "meaning"], rows)]
    axes = node["architecture"]["properties"]
    limits = {name: item for name, item in axes.items() if name not in family.axes}
    rows = [[code(name), type_of(axes[name]), default_of(axes[name])] for name in family.axes]
    parts += ["Axes, under `architecture:`", markdown_table(["axis", "type", "default"], rows)]
    columns = ", ".join(code(name) for name in limits["where"]["propertyNames"]["enum"])
    parts += [f"Beside the axes; `where` bounds {columns}:", keys({"properties": limits})]
    head = "Hyper-parameters, under `search:` or `fixed:`"
    names = ["parameter", "type", "default", "meaning"]
    parts += [head, markdown_table(names, param_rows(family, node))]
    metrics = ", ".join(f"{code(name)} ({way})" for name, way in family.metrics.items())
    parts.append(f"Metrics: {metrics}; default {code(family.default_metric)}.")
    return "\n\n".join(parts)


def for_family(family: Family) -> Callable[[], str]:
    """Return the function that makes the reference of a family."""
    return lambda: family_reference(family)


BLOCKS: dict[str, Callable[[], str | None]] = {
    "config-top": top_level,
    "config-entries": entries,
    "config-samplers": lambda: methods("sampler"),
    "config-plan": plan,
    "sections": script_sections,
    "config-pruners": lambda: methods("pruner"),
    **{f"config-{family.name}": for_family(family) for family in FAMILIES},
}
