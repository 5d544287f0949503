"""Validation of a mapping against a model, with messages in words about YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from hpogen.configuration.aliases import PLACE_OF_ALIAS, closest_name, did_you_mean
from hpogen.configuration.validation_messages import value_message
from hpogen.configuration.yaml_file import Problem, dotted, shown
from hpogen.configuration.yaml_keys import Config, StudyConfig

Location = tuple[int | str, ...]  # of one of pydantic's errors: keys, indices and tags of unions


def validate(content: Any, model: type[BaseModel] = Config) -> Any | list[Problem]:
    """Return the model of a mapping, or the problems of the mapping."""
    try:
        return model.model_validate({} if content is None else content)
    except ValidationError as error:
        return [explain(item, model) for item in error.errors()]


def explain(error: Mapping[str, Any], model: type[BaseModel]) -> Problem:
    """Return the place and the message of one of pydantic's errors."""
    location = error["loc"]
    place = tuple(step for index, step in enumerate(location) if not is_tag(location, index))
    if error["type"] == "extra_forbidden":
        return place, f"unknown key; {key_hint(location, model)}"
    if error["type"] == "union_tag_invalid":
        tags = error["ctx"]["expected_tags"].replace("'", "").split(", ")
        tag = str(error["ctx"]["tag"])
        return (*place, "type"), f"unknown type {shown(tag)!r}; {did_you_mean(tag, tags)}"
    if error["type"] == "union_tag_not_found":
        return place, "type is missing; write type: float, int or categorical"
    if place in (("sampler",), ("pruner",)):
        return place, f"write {type_example(str(error['input']), str(place[0]))}"
    if len(place) == 2 and place[0] == "search" and error["type"].endswith("_type"):
        return place, "write {type: float, low: A, high: B}, or type int or categorical"
    return place, value_message(error)


def key_hint(location: Location, model: type[BaseModel]) -> str:
    """Return the hint for an unknown key: its place if it belongs below a group, else a name."""
    *parents, key = location
    if not parents and model is Config:
        if key in StudyConfig.model_fields:
            return f"did you mean study.{key}?"
        if native := PLACE_OF_ALIAS.get(str(key)):
            return f"did you mean {dotted(native if len(native) > 1 else ('fixed', *native))}?"
    names = valid_keys(model, parents)
    if len(parents) == 2 and names == ["type"]:
        return f"{parents[0]} {parents[1]} has no arguments; remove it"
    return did_you_mean(str(key), names)


def type_example(word: str, group: str) -> str:
    """Return the mapping of the sampler or pruner that a word names, else of each that exists."""
    tags = list(Config.model_json_schema()["properties"][group]["discriminator"]["mapping"])
    name = closest_name(word, tags)
    return f"{{type: {name}}}" if name else " or ".join(f"{{type: {tag}}}" for tag in tags)


def is_tag(location: Location, index: int) -> bool:
    """Return whether a step is the tag of a union, which stands in no place of the YAML."""
    group = location[0]
    return (index == 2 and group == "search") or (index == 1 and group in ("sampler", "pruner"))


def valid_keys(model: type[BaseModel], location: Location | list[int | str]) -> list[str]:
    """Return the keys that the mapping at a location may have."""
    schema = model.model_json_schema()
    node: Mapping[str, Any] = schema
    for step in location:
        node = child_schema(schema, node, step)
    return [str(name) for name in resolved(schema, node).get("properties", {})]


def resolved(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a node of a JSON Schema, or the definition that it refers to."""
    for option in (node, *node.get("anyOf", ()), *node.get("allOf", ())):
        if "$ref" in option:
            definition: Mapping[str, Any] = schema["$defs"][option["$ref"].rpartition("/")[2]]
            return definition
    return node


def child_schema(
    schema: Mapping[str, Any], node: Mapping[str, Any], step: int | str
) -> Mapping[str, Any]:
    """Return the node of a JSON Schema below another, at a key, an index or the tag of a union."""
    node = resolved(schema, node)
    mapping = node.get("discriminator", {}).get("mapping", {})
    if step in mapping:
        return {"$ref": mapping[step]}
    child = node.get("properties", {}).get(step) or node.get("additionalProperties")
    child = child if isinstance(child, Mapping) else node.get("items", {})
    return child if isinstance(child, Mapping) else {}
