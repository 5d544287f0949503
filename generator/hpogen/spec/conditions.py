"""Conditions: `when:` of searched parameters, checked and sorted."""

from __future__ import annotations

import graphlib
from collections.abc import Mapping
from typing import Any

from hpogen.configuration.aliases import did_you_mean
from hpogen.configuration.yaml_file import Problem, shown
from hpogen.families.family import Param


class Conditions:
    """The `when:` of each searched parameter, and the conditions that switches imply."""

    def __init__(
        self,
        params: Mapping[str, Param],
        used: Mapping[str, list[str]],
        owners: Mapping[str, Mapping[str, list[str]]],
    ) -> None:
        self.params, self.used, self.owners = params, used, owners
        self.problems: list[Problem] = []

    def resolve(
        self, searched: Mapping[str, dict[str, Any]], fixed: dict[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """Return the searched parameters, each after the parameters in its condition.

        A parameter with a condition but without a fixed value gets its default in `fixed`, unless
        it belongs to a switch.
        """
        resolved = {}
        for name, entry in searched.items():
            conditions = {**self.implied(name), **entry["when"]}
            when = {
                other: list(values)
                for other, values in conditions.items()
                if self.is_open(name, other, values, searched, fixed)
            }
            resolved[name] = {**entry, "when": when}
            if when and name not in fixed and name not in self.owners:
                self.fix_at_default(name, fixed)
        return resolved if self.problems else self.ordered(resolved)

    def implied(self, name: str) -> dict[str, list[str]]:
        """Return the condition of a parameter that only some values of a switch use."""
        owners = self.owners.get(name, {})
        return {
            switch: [value for value in values if value in self.used[switch]]
            for switch, values in owners.items()
            if not set(self.used[switch]) <= set(values)
        }

    def is_open(
        self,
        name: str,
        other: str,
        values: list[Any],
        searched: Mapping[str, Mapping[str, Any]],
        fixed: Mapping[str, Any],
    ) -> bool:
        """Return whether a condition must be kept: False if a fixed value always meets it.

        A condition that is wrong or never holds is added to `problems`.
        """
        place = ("search", name, "when", other)
        if other == name:
            self.problems.append((place, "a parameter cannot depend on itself; name another"))
        elif other not in self.params:
            others = [param for param in self.params if param != name]
            self.problems.append((place, f"unknown parameter; {did_you_mean(other, others)}"))
        elif other not in searched:
            if fixed[other] in values:
                return False
            message = (
                f"never holds, because {other} is fixed at {shown(repr(fixed[other]))};"
                f" search {other} or remove the condition"
            )
            self.problems.append((place, message))
        elif searched[other]["type"] == "float":
            message = f"{other} is a float; name a parameter of type int or categorical"
            self.problems.append((place, message))
        elif missing := [value for value in values if not may_be(value, searched[other])]:
            message = f"never holds, because search.{other} has no value {shown(repr(missing[0]))}"
            self.problems.append((place, message))
        return True

    def fix_at_default(self, name: str, fixed: dict[str, Any]) -> None:
        """Fix a parameter at its default for trials in which its condition fails."""
        default = self.params[name].default
        if isinstance(default, dict):
            message = f"write fixed.{name}, the value for trials in which the condition fails"
            self.problems.append((("search", name, "when"), message))
        else:
            fixed[name] = default

    def ordered(self, searched: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Return the parameters in the given order, but each after those in its condition."""
        graph = {name: [o for o in e["when"] if o in searched] for name, e in searched.items()}
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            cycle = " → ".join(error.args[1])
            place = ("search", error.args[1][0], "when")
            message = f"conditions depend on each other: {cycle}; remove one of them"
            self.problems.append((place, message))
            return searched
        placed: dict[str, dict[str, Any]] = {}
        while len(placed) < len(searched):
            ready = [n for n in searched if n not in placed and set(graph[n]) <= placed.keys()]
            placed |= {name: searched[name] for name in ready}
        return placed


def may_be(value: Any, entry: Mapping[str, Any]) -> bool:
    """Return whether a search may draw a value."""
    if entry["type"] == "categorical":
        return value in entry["choices"]
    inside = isinstance(value, int) and entry["low"] <= value <= entry["high"]
    return inside and (value - entry["low"]) % entry["step"] == 0
