"""Exceptions of a plan, laid over the configuration that its scripts share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpogen.plan import PlanException, PlanFile, below
from hpogen.yaml_file import ConfigFile, Place


def with_exception(
    file: PlanFile, config: ConfigFile, index: int, item: PlanException
) -> ConfigFile:
    """Return a configuration with an exception laid over it.

    What is not said in the plan itself is told at the exception: without it nothing is wrong.
    """
    place: Place = ("exceptions", index, "config")
    own = below(file.file, place)
    before = config.places if config.source == file.file.source else {}
    start = file.file.places.get(place, (1, 1))
    places = {**before, **own, (): start}
    return ConfigFile(file.file.source, merged(config.content, item.config), places)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with another laid over it, section by section.

    A parameter that the other one fixes is no longer searched, and the other way round; a
    sampler or pruner of another type starts from that type's own defaults.
    """
    result = dict(base)
    for section, other in (("search", "fixed"), ("fixed", "search")):
        if isinstance(result.get(section), dict):
            gone = over.get(other) or {}
            result[section] = {n: v for n, v in result[section].items() if n not in gone}
    for name, value in over.items():
        under = result.get(name)
        if isinstance(under, dict) and isinstance(value, dict) and same_type(under, value):
            result[name] = {**under, **value}
        else:
            result[name] = value
    return result


def same_type(under: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
    """Tell whether a section adds to another, and does not stand in its place."""
    return "type" not in over or over["type"] == under.get("type")
