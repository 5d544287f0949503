"""Resolving: a configuration gets the defaults of its family, and what is wrong is collected."""

from __future__ import annotations

import graphlib
import math
import re
from collections.abc import Mapping
from typing import Any, get_args
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from hpogen.config import Config, Entry, did_you_mean
from hpogen.family import Family, Param
from hpogen.samplers import Grid, Tpe
from hpogen.sections import REPLACED, SCRIPT_SECTIONS, in_order
from hpogen.yaml_file import Place, Problem, shown

SECTIONS = ("data", "splits", "model")
DERIVED_COLUMNS = ("d_ff", "head_dim")  # of a grid, besides its axes
MAX_CANDIDATES = 200_000


class Resolver:
    """Fills a configuration with the defaults of its family, and collects what is wrong."""

    def __init__(self, config: Config, family: Family) -> None:
        self.config, self.family = config, family
        self.problems: list[Problem] = []

    def refuse(self, place: Place, message: str) -> None:
        """Keep a problem."""
        self.problems.append((place, message))

    def check_value(self, place: Place, value: Any, type_: Any) -> None:
        """Check a value against a type."""
        try:
            TypeAdapter(type_).validate_python(value, strict=True)
        except ValidationError as error:
            message = error.errors()[0]["msg"].removeprefix("Value error, ")
            self.refuse(place, f"{message[0].lower()}{message[1:]} (got {shown(repr(value))})")

    def options(self) -> dict[str, str]:
        """Return the chosen options."""
        chosen = dict(self.family.default_options)
        for option, choice in self.config.options.items():
            known = self.family.options.get(option)
            if known is None:
                hint = did_you_mean(option, self.family.options)
                self.refuse(("options", option), f"unknown option; {hint}")
            elif choice not in known:
                hint = did_you_mean(choice, known)
                self.refuse(("options", option), f"unknown choice {shown(choice)!r}; {hint}")
            else:
                chosen[option] = choice
        return chosen

    def sections(self) -> list[str]:
        """Return the parts that this script has and not every script."""
        for index, name in enumerate(self.config.sections):
            if name in REPLACED:
                new = REPLACED[name]
                self.refuse(("sections", index), f"{name} is gone; its place has {new}")
            elif name not in SCRIPT_SECTIONS:
                hint = did_you_mean(name, SCRIPT_SECTIONS)
                self.refuse(("sections", index), f"unknown section {shown(name)!r}; {hint}")
        stored = ["storage"] if self.config.study.storage else []
        return in_order([*self.config.sections, *stored])

    def constants(self) -> dict[str, Any]:
        """Return every constant of the family."""
        known = {constant.name: constant for constant in self.family.constants}
        values = {name: constant.default for name, constant in known.items()}
        for section in SECTIONS:
            names = [name for name in known if known[name].section == section]
            for name, value in getattr(self.config, section).items():
                place = (section, name)
                if name not in names:
                    self.refuse(place, f"unknown key; {did_you_mean(name, names)}")
                    continue
                self.check_value(place, value, known[name].type)
                values[name] = value
        if not self.problems:
            for name, message in self.family.check(values):
                self.refuse((known[name].section, name), message)
        return values

    def axes(self, budget: int) -> dict[str, list[Any]]:
        """Return the values of each architecture axis."""
        axes: dict[str, list[Any]] = {
            name: list(values) for name, values in self.family.default_axes(budget).items()
        }
        for axis, values in (self.config.architecture.__pydantic_extra__ or {}).items():
            place = ("architecture", axis)
            if axis not in axes:
                known = [*axes, *type(self.config.architecture).model_fields]
                self.refuse(place, f"unknown axis; {did_you_mean(axis, known)}")
                continue
            for index, value in enumerate(values):
                whole = isinstance(value, int) or axis.endswith("_ratio")
                if value <= 0 or not whole:
                    self.refuse((*place, index), f"{value!r} is not a whole number above 0")
            axes[axis] = sorted(set(values))
        if (count := math.prod(map(len, axes.values()))) > MAX_CANDIDATES:
            message = f"{count:,} combinations; at most {MAX_CANDIDATES:,} are counted"
            self.refuse(("architecture",), message)
        columns = [name for name in axes if not name.endswith("_ratio")]
        for name in self.config.architecture.where:
            if name not in (*columns, *DERIVED_COLUMNS):
                hint = did_you_mean(name, [*columns, *DERIVED_COLUMNS])
                self.refuse(("architecture", "where", name), f"unknown column; {hint}")
        return axes

    def used(self, options: Mapping[str, str]) -> dict[str, list[str]]:
        """Return the options and the values of switches that are in use."""
        found = {name: [choice] for name, choice in options.items()}
        defaults = {param.name: param.default for param in self.family.params}
        for name, switch in self.family.switches.items():
            entry = self.config.search.get(name)
            values = getattr(entry, "choices", [self.config.fixed.get(name, defaults[name])])
            found[name] = [str(v) for v in values if v in switch.choices] or [defaults[name]]
        return found

    def params(
        self, used: Mapping[str, list[str]]
    ) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
        """Return (searched, fixed) parameters; what the user says of one replaces its default."""
        known = self.family.all_params(used)
        search = {name: entry.model_dump() for name, entry in self.config.search.items()}
        for name, entry in search.items():
            self.check_entry(name, entry, known)
        for name, value in self.config.fixed.items():
            self.check_param(("fixed", name), value, known)
            if name in search and not search[name]["when"]:
                self.refuse(("fixed", name), "also in search; leave it in one of the two")
        searched: dict[str, dict[str, Any]] = {}
        fixed = {}
        for name, param in known.items():
            by_default = isinstance(param.default, dict) and name not in self.config.fixed
            if name in search or by_default:
                searched[name] = search.get(name) or {**param.default, "when": {}}
            if name in self.config.fixed or not (name in search or by_default):
                fixed[name] = self.config.fixed.get(name, param.default)
        if self.problems:
            return searched, fixed
        return Conditions(self, known, used).resolve(searched, fixed), fixed

    def check_entry(self, name: str, entry: Mapping[str, Any], known: Mapping[str, Param]) -> None:
        """Check the values that a search may give to a parameter."""
        place = ("search", name)
        if entry["type"] == "float" and name in known and not is_real(known[name].type):
            self.refuse(place, "holds no fractions; use type: int or categorical")
        for value in entry.get("choices") or [entry["low"], entry["high"]]:
            self.check_param(place, value, known)

    def check_param(self, place: Place, value: Any, known: Mapping[str, Param]) -> None:
        """Check a value given to a parameter."""
        name = str(place[-1])
        if name in known:
            self.check_value(place, value, known[name].type)
        elif name in (owners := self.family.owners()):
            where = " and ".join(f"{n} {' or '.join(vs)}" for n, vs in owners[name].items())
            self.refuse(place, f"only used with {where}, which is neither fixed nor searched")
        else:
            self.refuse(place, f"unknown parameter; {did_you_mean(name, known)}")

    def storage(self) -> str | None:
        """Return the address of the database; one with a password would stand in the script."""
        storage = self.config.study.storage
        if holds_password(storage):
            self.refuse(
                ("study", "storage"),
                "holds a password; leave it out and set OPTUNA_STORAGE instead",
            )
        return storage

    def metric(self, used: Mapping[str, list[str]]) -> str:
        """Return the metric trials are compared by."""
        preferred = [choice.metric for choice in self.family.choices(used)]
        default = next((name for name in preferred if name), self.family.default_metric)
        metric = self.config.metric or default
        directions = self.family.metrics
        if metric not in directions:
            hint = did_you_mean(metric, directions)
            self.refuse(("metric",), f"unknown metric {shown(metric)!r}; {hint}")
        elif self.config.direction not in (None, directions[metric]):
            self.refuse(("direction",), f"{metric} is better the other way: {directions[metric]}")
        return metric

    def sampler(self, searched: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return the sampler's arguments, none left open."""
        sampler = self.config.sampler
        conditional = [name for name, entry in searched.items() if entry["when"]]
        if isinstance(sampler, Grid):
            floats = [name for name, entry in searched.items() if entry["type"] == "float"]
            if floats:
                names = ", ".join(floats)
                self.refuse(
                    ("sampler",), f"a grid needs countable values; {names}: use int or categorical"
                )
            if conditional:
                names = ", ".join(conditional)
                self.refuse(("sampler",), f"a grid has no conditions; {names}: leave out when")
        found = sampler.model_dump()
        if isinstance(sampler, Tpe):
            together = bool(conditional) and sampler.multivariate
            found["group"] = together if sampler.group is None else sampler.group
            if found["group"] and not sampler.multivariate:
                self.refuse(("sampler",), "group needs multivariate: true")
        return found


class Conditions:
    """What `when:` says, completed, checked and put in an order in which it can be asked."""

    def __init__(
        self, resolver: Resolver, known: Mapping[str, Param], used: Mapping[str, list[str]]
    ) -> None:
        self.resolver, self.known, self.used = resolver, known, used
        self.owners = resolver.family.owners()

    def resolve(
        self, searched: Mapping[str, dict[str, Any]], fixed: dict[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """Return the searched parameters, each after those its condition looks at."""
        found = {}
        for name, entry in searched.items():
            wanted = {**self.implied(name), **entry["when"]}
            when = {
                other: list(values)
                for other, values in wanted.items()
                if self.is_open(name, other, values, searched, fixed)
            }
            found[name] = {**entry, "when": when}
            if when and name not in fixed and name not in self.owners:
                self.fall_back(name, fixed)
        return found if self.resolver.problems else self.ordered(found)

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
        """Tell whether a condition can both hold and fail; refuse one that never holds."""
        place = ("search", name, "when", other)
        refuse = self.resolver.refuse
        if other not in self.known or other == name:
            others = [known for known in self.known if known != name]
            refuse(place, f"unknown parameter; {did_you_mean(other, others)}")
        elif other not in searched:
            if fixed[other] in values:
                return False
            refuse(place, f"never holds: {other} is fixed at {shown(repr(fixed[other]))}")
        elif searched[other]["type"] == "float":
            refuse(place, f"{other} is a float; a condition needs countable values")
        elif wrong := [value for value in values if not may_be(value, searched[other])]:
            refuse(place, f"{other} is never {shown(repr(wrong[0]))}")
        return True

    def fall_back(self, name: str, fixed: dict[str, Any]) -> None:
        """Take the value that a parameter has where it is not searched."""
        default = self.known[name].default
        if isinstance(default, dict):
            self.resolver.refuse(
                ("search", name, "when"), f"say in fixed.{name} what it is where this fails"
            )
        else:
            fixed[name] = default

    def ordered(self, searched: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Return parameters after those their conditions look at, else in the order given."""
        graph = {name: [o for o in e["when"] if o in searched] for name, e in searched.items()}
        try:
            graphlib.TopologicalSorter(graph).prepare()
        except graphlib.CycleError as error:
            cycle = " → ".join(error.args[1])
            self.resolver.refuse(
                ("search", error.args[1][0], "when"), f"goes in a circle: {cycle}"
            )
            return searched
        placed: dict[str, dict[str, Any]] = {}
        while len(placed) < len(searched):
            ready = [n for n in searched if n not in placed and set(graph[n]) <= placed.keys()]
            placed |= {name: searched[name] for name in ready}
        return placed


def may_be(value: Any, entry: Mapping[str, Any]) -> bool:
    """Tell whether a search may give a value."""
    if entry["type"] == "categorical":
        return value in entry["choices"]
    inside = isinstance(value, int) and entry["low"] <= value <= entry["high"]
    return inside and (value - entry["low"]) % entry["step"] == 0


def is_real(type_: Any) -> bool:
    """Tell whether a parameter's type holds fractions."""
    return get_args(type_)[:1] == (float,)


def entries(searched: Mapping[str, Mapping[str, Any]]) -> dict[str, Entry]:
    """Return searched parameters as entries of a configuration."""
    return TypeAdapter(dict[str, Entry]).validate_python(searched)


def holds_password(value: object) -> bool:
    """Tell whether an address of a database holds a password."""
    if not isinstance(value, str):
        return False
    if re.search(r"[?&;](password|passwd|pwd)=", value, re.IGNORECASE):
        return True
    try:
        return bool(urlsplit(value).password)
    except ValueError:  # such as http://[; nothing that connects
        return ":" in value.partition("://")[2].rpartition("@")[0]
