"""Exceptions of a plan, merged into the configuration that its scripts share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpogen.configuration.yaml_file import ConfigFile, Place
from hpogen.plans.plan import PlanException, PlanFile, below


def with_exception(
    file: PlanFile, config: ConfigFile, index: int, item: PlanException
) -> ConfigFile:
    """Return a configuration with an exception merged into it.

    A problem in a value of another file is reported at the exception, which causes it.
    """
    place: Place = ("exceptions", index, "config")
    own = below(file.file, place)
    before = config.places if config.source == file.file.source else {}
    start = file.file.places.get(place, (1, 1))
    places = {**before, **own, (): start}
    return ConfigFile(file.file.source, merged(config.content, item.config), places)


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with changes merged into it, group by group.

    A parameter that the changes fix is no longer searched, and the reverse. A sampler or pruner
    of another type replaces the old one with all its arguments.
    """
    result = dict(base)
    for group, opposite in (("search", "fixed"), ("fixed", "search")):
        if isinstance(result.get(group), dict):
            replaced = changes.get(opposite) or {}
            result[group] = {n: v for n, v in result[group].items() if n not in replaced}
    for name, value in changes.items():
        old = result.get(name)
        if isinstance(old, dict) and isinstance(value, dict) and same_type(old, value):
            result[name] = {**old, **value}
        else:
            result[name] = value
    return result


def same_type(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Return whether two values of a group can be merged."""
    return "type" not in new or new["type"] == old.get("type")
