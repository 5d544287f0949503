"""Tables of the keys of configuration files and plans, from their JSON Schemas."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from hpogen.configuration.json_schema import json_schema, without_noise
from hpogen.configuration.samplers import Method
from hpogen.families import FAMILIES
from hpogen.families.family import Family
from hpogen.plans.plan import Match, Plan, PlanException
from page_tools.pages import code, codes, table

Node = Mapping[str, Any]
Row = list[str]
HEAD = ["key", "value", "default", "meaning"]
SCHEMA = json_schema()
NULL = {"type": "null"}
BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
PATTERNS = {"^[0-9a-f]{64}$": "SHA-256", "^[0-9]{4}-[0-9]{2}-[0-9]{2}$": "date"}
WORDS = {"integer": "whole number", "string": "text", "boolean": "`true` or `false`"}


def as_yaml(value: Any) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(as_yaml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {as_yaml(item)}' for name, item in value.items())}}}"
    return value if isinstance(value, str) else json.dumps(value)


def kind_of(node: Node) -> str:
    """Return the kind of a value in words."""
    for word in ("anyOf", "oneOf"):
        if word in node:
            kinds = [kind_of(item) for item in node[word] if item != NULL]
            return " or ".join(dict.fromkeys(kinds))
    if "const" in node:
        return code(as_yaml(node["const"]))
    if "enum" in node:
        return " or ".join(map(code, node["enum"]))
    return plain_kind_of(node)


def plain_kind_of(node: Node) -> str:
    """Return the kind of a value without alternatives in words."""
    kind: str | list[str] = node.get("type", "mapping")
    if kind == "array":
        return f"list of: {kind_of(node['items'])}"
    if kind == "object" or "$ref" in node:
        return "mapping"
    if isinstance(kind, list):
        return " or ".join(WORDS.get(item, item) for item in kind)
    bounds = [f"{text} {node[name]:g}" for name, text in BOUNDS.items() if name in node]
    bounds = [text for text in bounds if "e+" not in text]
    word = node.get("title") or PATTERNS.get(node.get("pattern", "")) or WORDS.get(kind, kind)
    return " ".join([word, " and ".join(bounds)]).strip()


def default_of(node: Node) -> str:
    """Return the default of a value; empty if there is none."""
    default = node.get("default")
    return "" if default in (None, {}, []) else code(as_yaml(default))


def rows_of(properties: Mapping[str, Node], prefix: str = "") -> list[Row]:
    """Return a row per key: key, value, default, meaning."""
    return [
        [code(prefix + name), kind_of(node), default_of(node), node.get("description", "")]
        for name, node in properties.items()
    ]


def top_level() -> str:
    """Return the keys that all families share, and those of `study`."""
    top = dict(SCHEMA["properties"])
    for name in ("options", "data", "splits", "model", "architecture", "search", "fixed"):
        del top[name]
    del top["sampler"], top["pruner"], top["study"]
    top["task"] = {**top["task"], "anyOf": [{"type": "string"}]}
    top["budget"] = {**top["budget"], "anyOf": [{"type": "string"}, {"type": "integer"}]}
    study = SCHEMA["$defs"]["StudyConfig"]["properties"]
    return table(HEAD, [*rows_of(top), *rows_of(study, "study.")])


def typed(names: Iterable[str]) -> str:
    """Return the keys of mappings that differ by their key `type`."""
    requires = {method.__name__: method.requires for method in Method.__subclasses__()}
    rows = []
    for name in names:
        node = SCHEMA["$defs"][name]
        properties = dict(node["properties"])
        kind = code(f"type: {properties.pop('type')['const']}")
        needs = f" Needs {codes(requires[name])}." if requires.get(name) else ""
        rows.append([kind, "", "", f"**{node['description']}**{needs}"])
        rows += rows_of(properties)
    return table(HEAD, rows)


def methods(name: str) -> str:
    """Return every sampler or pruner with its arguments."""
    options = SCHEMA["properties"][name]["oneOf"]
    return typed(option["$ref"].rpartition("/")[2] for option in options)


def plan() -> str:
    """Return the keys of a plan, of an exception and of a match."""
    plan, match, exception = (
        without_noise(kind.model_json_schema())["properties"]
        for kind in (Plan, Match, PlanException)
    )
    rows = [*rows_of(plan), *rows_of(exception, "exceptions."), *rows_of(match, "match.")]
    return table(HEAD, rows)


def settings(family: Family) -> str:
    """Return the keys of data, splits, model, options and architecture of a family."""
    groups = SCHEMA["$defs"][family.name]["properties"]
    rows = []
    for name in ("data", "splits", "model", "architecture"):
        rows += rows_of(groups[name]["properties"], f"{name}.")
    for name, choices in family.options.items():
        default = code(family.default_options[name])
        meaning = "; ".join(
            f"{code(value)}: {choice.description}" for value, choice in choices.items()
        )
        rows.append([code(f"options.{name}"), " or ".join(map(code, choices)), default, meaning])
    return table(HEAD, rows)


def parameters(family: Family) -> str:
    """Return the hyper-parameters of a family."""
    groups = SCHEMA["$defs"][family.name]["properties"]
    search = groups["search"]["properties"]
    origin = origins(family)
    rows = []
    for name, node in groups["fixed"]["properties"].items():
        searched = search[name].get("default")
        default = f"search {code(as_yaml(searched))}" if searched else default_of(node)
        only = f"; only with {origin[name]}" if name in origin else ""
        rows.append([code(name), kind_of(node), default, f"{node['description']}{only}"])
    return table(["parameter", *HEAD[1:]], rows)


def origins(family: Family) -> dict[str, str]:
    """Return {parameter: the choice that adds it} for those that not every script has."""
    tables = {**family.options, **{name: s.choices for name, s in family.switches.items()}}
    return {
        param.name: code(f"{name}: {value}")
        for name, choices in tables.items()
        for value, choice in choices.items()
        for param in choice.params
    }


TABLES: dict[str, Callable[[], str]] = {
    "config-top": top_level,
    "config-entries": partial(typed, ("FloatEntry", "IntEntry", "CategoricalEntry")),
    "config-samplers": partial(methods, "sampler"),
    "config-pruners": partial(methods, "pruner"),
    "config-plan": plan,
    **{f"config-{family.name}": partial(settings, family) for family in FAMILIES},
    **{f"parameters-{family.name}": partial(parameters, family) for family in FAMILIES},
}
