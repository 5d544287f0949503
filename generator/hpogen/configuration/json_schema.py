"""JSON Schema of a configuration, for editors, with the names of every family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter

from hpogen.configuration.yaml_keys import Config
from hpogen.families import DEFAULT_TASK, FAMILIES
from hpogen.families.family import Choice, Constant, Family, Param
from hpogen.rendering.sections import SCRIPT_SECTIONS
from hpogen.spec.defaults_and_checks import DERIVED_COLUMNS, GROUPS

Node = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCALAR: Node = {"type": ["number", "string"]}
VALUES: Node = {"anyOf": [SCALAR, {"type": "array", "items": SCALAR, "minItems": 1}]}
BUDGET: Node = {
    "anyOf": [
        {"type": "integer", "minimum": 1},
        {"type": "string", "pattern": r"^\s*\d+(_\d+)*(\.\d+)?[KMBkmb]?\s*$"},
        {"type": "null"},
    ]
}
# pydantic leaves out the bound of a number with a validator of its own.
ABOVE_ZERO: Node = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}]}


def json_schema() -> Node:
    """Return the JSON Schema (draft 2020-12) of a configuration."""
    schema = without_noise(Config.model_json_schema())
    definitions, properties = schema["$defs"], schema["properties"]
    definitions["StudyConfig"]["properties"]["timeout_hours"] |= ABOVE_ZERO
    architecture = definitions.pop("ArchitectureConfig")
    architecture["properties"]["max_memory_gb"] |= ABOVE_ZERO
    about = architecture["description"]
    properties["architecture"] = {"type": "object", "default": {}, "description": about}
    properties["study"]["default"] = {}
    properties["budget"] |= BUDGET
    sections = [{"const": name, "description": s.about} for name, s in SCRIPT_SECTIONS.items()]
    properties["sections"]["items"] = {"oneOf": sections}
    properties["task"] |= {"anyOf": [*map(task_kind, kinds()), {"type": "null"}]}
    properties["task"]["default"] = DEFAULT_TASK
    for family in FAMILIES:
        definitions[family.name] = family_schema(family, architecture)
    return {
        "$schema": DIALECT,
        "title": "Configuration of hpogen",
        **schema,
        "type": ["object", "null"],
        "allOf": [
            {"if": is_of(family), "then": {"$ref": f"#/$defs/{family.name}"}}
            for family in FAMILIES
        ],
    }


def without_noise(node: Any) -> Any:
    """Return a schema without titles, which repeat names, and without words of OpenAPI."""
    if isinstance(node, list):
        return [without_noise(item) for item in node]
    if not isinstance(node, dict):
        return node
    noise = ["discriminator"] if "oneOf" in node else []
    if isinstance(node.get("title"), str):
        noise.append("title")
    return {name: without_noise(item) for name, item in node.items() if name not in noise}


def kinds() -> list[tuple[str, str, str]]:
    """Return (pattern, example, title) of every kind of task."""
    return [(kind.pattern, kind.example, kind.title) for f in FAMILIES for kind in f.tasks]


def anchored(patterns: Iterable[str]) -> str:
    """Return a pattern that matches a whole text if one of the patterns does."""
    return f"^({'|'.join(f'({pattern})' for pattern in patterns)})$"


def task_kind(kind: tuple[str, str, str]) -> Node:
    """Return the schema of a kind of task: a constant, or a pattern if names hold a number."""
    pattern, example, title = kind
    names = {"const": example} if pattern == example else {"pattern": anchored([pattern])}
    return {"type": "string", **names, "title": example, "description": title}


def is_of(family: Family) -> Node:
    """Return the schema that is valid for the configurations of a family only."""
    task = {"pattern": anchored(kind.pattern for kind in family.tasks)}
    if family.default_task == DEFAULT_TASK:
        return {"properties": {"task": task}}  # also valid without a task
    return {"properties": {"task": {"type": "string", **task}}, "required": ["task"]}


def family_schema(family: Family, architecture: Node) -> Node:
    """Return the schema of the configurations of one family."""
    params = list(params_of(family))
    names = list(dict.fromkeys(param.name for param in params))
    properties = {name: group_schema(family, name) for name in GROUPS}
    properties["options"] = named(
        {
            name: choices(table, form.default_options[name])
            for form in forms(family)
            for name, table in form.options.items()
        }
    )
    properties["architecture"] = architecture_schema(family, architecture)
    properties["search"] = named({param.name: search_entry(param, names) for param in params})
    properties["fixed"] = named({param.name: described(param) for param in params})
    for name, metrics in (("metric", family.metrics), ("second_metric", family.directions)):
        found = [{"const": metric, "description": way} for metric, way in metrics.items()]
        properties[name] = {"oneOf": [*found, {"type": "null"}]}
    if not family.has_horizon:
        properties["horizon"] = {"type": "null"}
    title = ", ".join(kind.example for kind in family.tasks)
    return {"title": title, "properties": properties}


def forms(family: Family) -> list[Family]:
    """Return a family and its variant, if there is one."""
    return [family, family.variant.family] if family.variant else [family]


def params_of(family: Family) -> Iterable[Param]:
    """Yield every hyper-parameter of a family, also those in options and switches."""
    for form in reversed(forms(family)):
        yield from form.params
    tables = [*family.options.values(), *(s.choices for s in family.switches.values())]
    for table in tables:
        for choice in table.values():
            yield from choice.params


def named(properties: Node) -> Node:
    """Return the schema of a mapping that may have these keys only."""
    return {"type": "object", "properties": properties, "additionalProperties": False}


def group_schema(family: Family, name: str) -> Node:
    """Return the schema of the constants in a group."""
    constants = [c for form in reversed(forms(family)) for c in form.constants]
    return named({c.name: described(c) for c in constants if c.group == name and not c.hidden})


def described(item: Constant | Param) -> Node:
    """Return the schema of a constant or parameter, with a default unless it is searched."""
    node = {**type_schema(item.type), "description": item.description}
    if not isinstance(item.default, dict):
        node["default"] = item.default
    return node


def type_schema(type_: Any) -> Node:
    """Return the schema of a type."""
    node: Node = without_noise(TypeAdapter(type_).json_schema())
    return node


def choices(table: Mapping[str, Choice], default: str) -> Node:
    """Return the schema of an option."""
    values = [{"const": name, "description": choice.description} for name, choice in table.items()]
    return {"oneOf": values, "default": default}


def architecture_schema(family: Family, base: Node) -> Node:
    """Return the schema of the group architecture: axes, where, skip, max_memory_gb."""
    axes = {name: axis(name, values) for name, values in family.axes.items()}
    columns = [name for name in axes if not name.endswith("_ratio")]
    row = [*next(family.candidates(family.axes)), "params"]
    where = base["properties"]["where"]
    skip = base["properties"]["skip"]
    by_columns = {
        "type": "object",
        "propertyNames": {"enum": row},
        "additionalProperties": {"type": "integer"},
        "minProperties": 1,
    }
    items = {"anyOf": [{"type": "integer", "minimum": 0}, by_columns]}
    limits = {
        "where": {**where, "propertyNames": {"enum": [*columns, *DERIVED_COLUMNS]}},
        "skip": {**skip, "items": items},
        "max_memory_gb": base["properties"]["max_memory_gb"],
    }
    return named({**axes, **limits})


def axis(name: str, values: Iterable[float]) -> Node:
    """Return the schema of the values of an axis."""
    number = "number" if name.endswith("_ratio") else "integer"
    return {
        "type": "array",
        "items": {"type": number, "exclusiveMinimum": 0},
        "minItems": 1,
        "maxItems": 1000,
        "default": list(values),
    }


def search_entry(param: Param, names: list[str]) -> Node:
    """Return the schema of the search entry of a hyper-parameter."""
    value = type_schema(param.type)
    kind = value.get("type")
    allowed = ["CategoricalEntry"]
    allowed += ["IntEntry"] if kind in ("integer", "number") else []
    allowed += ["FloatEntry"] if kind == "number" else []
    node: Node = {
        "description": param.description,
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in allowed],
        "properties": {
            "low": value,
            "high": value,
            "choices": {"items": value},
            "when": {"propertyNames": {"enum": names}, "additionalProperties": VALUES},
        },
    }
    if isinstance(param.default, dict):
        node["default"] = param.default
    return node
