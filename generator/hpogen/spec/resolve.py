"""Resolving: a configuration is checked and filled with the defaults of its family."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, get_args
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from hpogen.aliases import did_you_mean
from hpogen.config import Config
from hpogen.families.family import Family, Param
from hpogen.samplers import Grid, Tpe
from hpogen.sections import REPLACED, SCRIPT_SECTIONS, in_order
from hpogen.spec.conditions import Conditions
from hpogen.validation_messages import value_message
from hpogen.yaml_file import Place, Problem, shown

GROUPS = ("data", "splits", "model")  # of constants, by their key in YAML
DERIVED_COLUMNS = ("d_ff", "head_dim")  # of a grid, besides its axes
MAX_CANDIDATES = 200_000


class Resolver:
    """Fills a configuration with the defaults of its family, and collects its problems."""

    def __init__(self, config: Config, family: Family) -> None:
        self.config, self.family = config, family
        self.problems: list[Problem] = []

    def values(self) -> dict[str, Any]:
        """Return the fields of a specification, apart from its name, task, budget and horizon.

        They are valid only if `problems` is empty afterwards.
        """
        config, options, axes = self.config, self.options(), self.axes()
        used = self.used(options)
        constants = self.constants()
        search, fixed = self.params(used)
        bounds = {name: bound.model_dump() for name, bound in config.architecture.where.items()}
        return {
            "tolerance": config.tolerance,
            "n_trials": config.study.n_trials,
            "timeout_hours": config.study.timeout_hours,
            "seed": config.study.seed,
            "storage": self.storage(),
            "metric": self.metric(used),
            "options": options,
            "sections": self.sections(),
            "constants": constants,
            "architecture": axes,
            "where": bounds,
            "skip": list(config.architecture.skip),
            "max_memory_gb": config.architecture.max_memory_gb,
            "search": search,
            "fixed": fixed,
            "sampler": self.sampler(search),
            "pruner": config.pruner.model_dump(),
        }

    def refuse(self, place: Place, message: str) -> None:
        """Keep a problem."""
        self.problems.append((place, message))

    def check_value(self, place: Place, value: Any, type_: Any) -> None:
        """Check a value against a type."""
        try:
            TypeAdapter(type_).validate_python(value, strict=True)
        except ValidationError as error:
            self.refuse(place, value_message(error.errors()[0]))

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
        """Return the optional sections."""
        for index, name in enumerate(self.config.sections):
            if name in REPLACED:
                new = REPLACED[name]
                self.refuse(("sections", index), f"{name} was replaced by {new}; write {new}")
            elif name not in SCRIPT_SECTIONS:
                hint = did_you_mean(name, SCRIPT_SECTIONS)
                self.refuse(("sections", index), f"unknown section {shown(name)!r}; {hint}")
        stored = ["storage"] if self.config.study.storage else []
        return in_order([*self.config.sections, *stored])

    def constants(self) -> dict[str, Any]:
        """Return the constants of the family, without optional ones that are not used."""
        n_problems = len(self.problems)
        values = self.typed_constants()
        if len(self.problems) == n_problems:
            groups = {constant.name: constant.group for constant in self.family.constants}
            for name, message in self.family.check(values):
                self.refuse((groups[name], name), message)
        return self.family.without_unused(values)

    def typed_constants(self) -> dict[str, Any]:
        """Return every constant of the family, each checked on its own."""
        known = {constant.name: constant for constant in self.family.constants}
        values = {name: constant.default for name, constant in known.items()}
        for group in GROUPS:
            names = [name for name in known if known[name].group == group]
            for name, value in getattr(self.config, group).items():
                place = (group, name)
                if name not in names:
                    self.refuse(place, f"unknown key; {did_you_mean(name, names)}")
                    continue
                self.check_value(place, value, known[name].type)
                values[name] = value
        return values

    def axes(self) -> dict[str, list[Any]]:
        """Return the values of each architecture axis."""
        defaults = self.family.default_axes(self.config.budget)
        axes: dict[str, list[Any]] = {name: list(values) for name, values in defaults.items()}
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
        """Return (searched, fixed) parameters; an entry of the user replaces the default."""
        known = self.family.all_params(used)
        n_problems = len(self.problems)
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
        if len(self.problems) > n_problems:
            return searched, fixed
        conditions = Conditions(known, used, self.family.owners())
        searched = conditions.resolve(searched, fixed)
        self.problems += conditions.problems
        return searched, fixed

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
        """Return the URL of the database; one with a password is refused, scripts are shared."""
        storage = self.config.study.storage
        if holds_password(storage):
            self.refuse(
                ("study", "storage"),
                "holds a password; leave it out and set OPTUNA_STORAGE instead",
            )
        return storage

    def metric(self, used: Mapping[str, list[str]]) -> str:
        """Return the metric by which trials are compared."""
        preferred = [choice.metric for choice in self.family.choices(used)]
        default = next((name for name in preferred if name), self.family.default_metric)
        metric = self.config.metric or default
        directions = self.family.metrics
        if metric not in directions:
            hint = did_you_mean(metric, directions)
            self.refuse(("metric",), f"unknown metric {shown(metric)!r}; {hint}")
        elif self.config.direction not in (None, directions[metric]):
            message = f"{metric} has the direction {directions[metric]}; leave direction out"
            self.refuse(("direction",), message)
        return metric

    def sampler(self, searched: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return every argument of the sampler."""
        sampler = self.config.sampler
        conditional = [name for name, entry in searched.items() if entry.get("when")]
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


def is_real(type_: Any) -> bool:
    """Return whether values of a type may have fractions."""
    return get_args(type_)[:1] == (float,)


def holds_password(value: object) -> bool:
    """Return whether the URL of a database holds a password."""
    if not isinstance(value, str):
        return False
    if re.search(r"[?&;](password|passwd|pwd)=", value, re.IGNORECASE):
        return True
    try:
        return bool(urlsplit(value).password)
    except ValueError:  # such as http://[, which no client accepts
        return ":" in value.partition("://")[2].rpartition("@")[0]
