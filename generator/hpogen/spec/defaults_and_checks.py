"""Defaults and checks: a configuration becomes the fields of a specification."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, get_args
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from hpogen.configuration.aliases import did_you_mean
from hpogen.configuration.samplers import Grid, NoPruner, PrunerArguments, Tpe
from hpogen.configuration.validation_messages import value_message
from hpogen.configuration.yaml_file import Place, Problem, shown
from hpogen.configuration.yaml_keys import Config
from hpogen.families.family import Family, Param
from hpogen.rendering.sections import REPLACED, SCRIPT_SECTIONS, in_order
from hpogen.spec.conditions import Conditions

GROUPS = ("data", "splits", "model")  # keys in YAML that hold constants
DERIVED_COLUMNS = ("d_ff", "head_dim")  # columns of a grid that are not axes
MAX_CANDIDATES = 200_000
STORAGE_HELP = "holds a password; leave it out and set the variable OPTUNA_STORAGE instead"


class Resolver:
    """Fills a configuration with the defaults of its family, and collects its problems."""

    def __init__(self, config: Config, family: Family) -> None:
        self.config, self.family = config, family
        self.problems: list[Problem] = []

    def values(self) -> dict[str, Any]:
        """Return the fields of a specification, except names, task, budget and horizon.

        The fields are valid only if `problems` is empty afterwards.
        """
        config, options, axes = self.config, self.options(), self.axes()
        used = self.used(options)
        constants = self.constants()
        search, fixed = self.params(used)
        metric = self.metric(used)
        bounds = {name: bound.model_dump() for name, bound in config.architecture.where.items()}
        return {
            "tolerance": config.tolerance,
            "n_trials": config.study.n_trials,
            "n_noise": config.study.n_noise,
            "n_confirm": config.study.n_confirm,
            "timeout_hours": config.study.timeout_hours,
            "seed": config.study.seed,
            "seeds": config.study.seeds or [],
            "storage": self.storage(),
            "metric": metric,
            "second_metric": self.second_metric(metric),
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
            "pruner": self.pruner().model_dump(),
        }

    def refuse(self, place: Place, message: str) -> None:
        """Add a problem."""
        self.problems.append((place, message))

    def check_value(self, place: Place, value: Any, type_: Any) -> None:
        """Add a problem if a value does not have a type."""
        try:
            TypeAdapter(type_).validate_python(value, strict=True)
        except ValidationError as error:
            self.refuse(place, value_message(error.errors()[0]))

    def options(self) -> dict[str, str]:
        """Return the chosen options."""
        chosen = dict(self.family.default_options)
        for option, choice in self.config.options.items():
            place = ("options", option)
            choices = self.family.options.get(option)
            if option in self.family.switches:
                self.refuse(place, f"{option} is a parameter; write it under search or fixed")
            elif choices is None:
                names = [*self.family.options, *self.family.switches]
                self.refuse(place, f"unknown option; {did_you_mean(option, names)}")
            elif choice not in choices:
                hint = did_you_mean(choice, choices)
                self.refuse(place, f"unknown choice {shown(choice)!r}; {hint}")
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
        """Return the constants of the family, without unused optional ones."""
        n_problems = len(self.problems)
        values = self.typed_constants()
        if len(self.problems) == n_problems:
            groups = {constant.name: constant.group for constant in self.family.constants}
            for name, message in self.family.check(values):
                self.refuse((groups[name], name), message)
        return self.family.without_unused(values)

    def typed_constants(self) -> dict[str, Any]:
        """Return the value of every constant of the family, after a check of its type."""
        constants = {constant.name: constant for constant in self.family.constants}
        values = {name: constant.default for name, constant in constants.items()}
        for group in GROUPS:
            names = [name for name in constants if constants[name].group == group]
            for name, value in getattr(self.config, group).items():
                place = (group, name)
                if name not in names:
                    self.refuse(place, f"unknown key; {did_you_mean(name, names)}")
                    continue
                self.check_value(place, value, constants[name].type)
                values[name] = value
        return values

    def axes(self) -> dict[str, list[Any]]:
        """Return the values of each architecture axis."""
        defaults = self.family.default_axes(self.config.budget)
        axes: dict[str, list[Any]] = {name: list(values) for name, values in defaults.items()}
        for axis, values in (self.config.architecture.__pydantic_extra__ or {}).items():
            place = ("architecture", axis)
            if axis not in axes:
                names = [*axes, *type(self.config.architecture).model_fields]
                self.refuse(place, f"unknown axis; {did_you_mean(axis, names)}")
                continue
            for index, value in enumerate(values):
                is_valid = isinstance(value, int) or axis.endswith("_ratio")
                if value <= 0 or not is_valid:
                    number = "number" if axis.endswith("_ratio") else "whole number"
                    self.refuse((*place, index), f"write a {number} above 0 (got {value!r})")
            axes[axis] = sorted(set(values))
        if (count := math.prod(map(len, axes.values()))) > MAX_CANDIDATES:
            message = f"{count:,} combinations, more than {MAX_CANDIDATES:,}; give fewer values"
            self.refuse(("architecture",), message)
        columns = [name for name in axes if not name.endswith("_ratio")] + [*DERIVED_COLUMNS]
        for name in self.config.architecture.where:
            if name not in columns:
                hint = did_you_mean(name, columns)
                self.refuse(("architecture", "where", name), f"unknown column; {hint}")
        return axes

    def used(self, options: Mapping[str, str]) -> dict[str, list[str]]:
        """Return {name: values in use} of the options and switches."""
        used = {name: [choice] for name, choice in options.items()}
        defaults = {param.name: param.default for param in self.family.params}
        for name, switch in self.family.switches.items():
            entry = self.config.search.get(name)
            values = getattr(entry, "choices", [self.config.fixed.get(name, defaults[name])])
            used[name] = [str(v) for v in values if v in switch.choices] or [defaults[name]]
        return used

    def params(
        self, used: Mapping[str, list[str]]
    ) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
        """Return (searched, fixed) parameters; entries of the user replace the defaults."""
        params = self.family.all_params(used)
        n_problems = len(self.problems)
        search = {name: entry.model_dump() for name, entry in self.config.search.items()}
        for name, entry in search.items():
            self.check_entry(name, entry, params)
        for name, value in self.config.fixed.items():
            self.check_param(("fixed", name), value, params)
            if name in search and not search[name]["when"]:
                self.refuse(("fixed", name), "also in search; remove one of the two")
        searched: dict[str, dict[str, Any]] = {}
        fixed = {}
        for name, param in params.items():
            by_default = isinstance(param.default, dict) and name not in self.config.fixed
            if name in search or by_default:
                searched[name] = search.get(name) or {**param.default, "when": {}}
            if name in self.config.fixed or not (name in search or by_default):
                fixed[name] = self.config.fixed.get(name, param.default)
        if len(self.problems) > n_problems:
            return searched, fixed
        conditions = Conditions(params, used, self.family.owners())
        searched = conditions.resolve(searched, fixed)
        self.problems += conditions.problems
        return searched, fixed

    def check_entry(
        self, name: str, entry: Mapping[str, Any], params: Mapping[str, Param]
    ) -> None:
        """Check the values that a search may give to a parameter."""
        place = ("search", name)
        if entry["type"] == "float" and name in params and not is_real(params[name].type):
            self.refuse(place, "needs whole numbers; write type: int or type: categorical")
        for value in entry.get("choices") or [entry["low"], entry["high"]]:
            self.check_param(place, value, params)

    def check_param(self, place: Place, value: Any, params: Mapping[str, Param]) -> None:
        """Check a value of a parameter."""
        name = str(place[-1])
        if name in params:
            self.check_value(place, value, params[name].type)
        elif name in (owners := self.family.owners()):
            where = " and ".join(f"{n}: {' or '.join(vs)}" for n, vs in owners[name].items())
            self.refuse(place, f"has no effect without {where}, which is not fixed or searched")
        else:
            names = [*params, *(owner for owner in owners if owner not in params)]
            self.refuse(place, f"unknown parameter; {did_you_mean(name, names)}")

    def storage(self) -> str | None:
        """Return the URL of the storage; refuse a password, which the script would reveal."""
        storage = self.config.study.storage
        if holds_password(storage):
            self.refuse(("study", "storage"), STORAGE_HELP)
        return storage

    def metric(self, used: Mapping[str, list[str]]) -> str:
        """Return the metric by which trials are compared."""
        preferred = [choice.metric for choice in self.family.choices(used)]
        default = next((name for name in preferred if name), self.family.default_metric)
        metric = self.config.metric or default
        directions = self.family.metrics
        if metric in self.family.second_metrics:
            message = f"{metric} alone does not rank models; write second_metric: {metric}"
            self.refuse(("metric",), message)
        elif metric not in directions:
            hint = did_you_mean(metric, directions)
            self.refuse(("metric",), f"unknown metric {shown(metric)!r}; {hint}")
        elif self.config.direction not in (None, directions[metric]):
            message = f"the direction of {metric} is {directions[metric]}; leave direction out"
            self.refuse(("direction",), message)
        return metric

    def second_metric(self, metric: str) -> str | None:
        """Return the second objective; refuse settings that two objectives do not allow."""
        second, place = self.config.second_metric, ("second_metric",)
        sampler = self.config.sampler.type
        if second is None:
            if sampler == "nsga2":
                message = "nsga2 is for two metrics; add second_metric, or choose another type"
                self.refuse(("sampler", "type"), message)
            return None
        names = [name for name in self.family.directions if name != metric]
        if second == metric:
            self.refuse(place, f"{metric} is the metric already; {did_you_mean('', names)}")
        elif second not in names:
            self.refuse(place, f"unknown metric {shown(second)!r}; {did_you_mean(second, names)}")
        if sampler in ("cmaes", "gp"):
            message = f"{sampler} optimizes one metric; choose from nsga2, tpe, random, grid"
            self.refuse(("sampler", "type"), message)
        if self.config.study.storage or "storage" in self.config.sections:
            self.refuse(place, "the section storage stores one value per trial; leave out one")
        return second

    def pruner(self) -> PrunerArguments:
        """Return the pruner; two metrics have none, because Optuna prunes by one value."""
        if self.config.second_metric is None:
            return self.config.pruner
        if "pruner" in self.config.model_fields_set and self.config.pruner.type != "none":
            message = "no trial is pruned by two metrics; write pruner: {type: none}"
            self.refuse(("pruner",), message)
        return NoPruner(type="none")

    def sampler(self, searched: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Return every argument of the sampler."""
        sampler = self.config.sampler
        conditional = [name for name, entry in searched.items() if entry.get("when")]
        if isinstance(sampler, Grid):
            floats = [name for name, entry in searched.items() if entry["type"] == "float"]
            if floats:
                message = (
                    f"a grid search takes no floats: write type: int or type: categorical for"
                    f" {', '.join(floats)}, or fix them"
                )
                self.refuse(("sampler",), message)
            if conditional:
                message = f"a grid search takes no conditions: remove when from {conditional[0]}"
                self.refuse(("sampler",), message)
        arguments = sampler.model_dump()
        if isinstance(sampler, Tpe):
            grouped = bool(conditional) and sampler.multivariate
            arguments["group"] = grouped if sampler.group is None else sampler.group
            if arguments["group"] and not sampler.multivariate:
                self.refuse(("sampler",), "group: true needs multivariate: true")
        return arguments


def is_real(type_: Any) -> bool:
    """Return whether values of a type may have fractions."""
    return get_args(type_)[:1] == (float,)


def holds_password(value: object) -> bool:
    """Return whether a value is the URL of a storage with a password."""
    if not isinstance(value, str):
        return False
    if re.search(r"[?&;](password|passwd|pwd)=", value, re.IGNORECASE):
        return True
    try:
        return bool(urlsplit(value).password)
    except ValueError:  # urlsplit rejects URLs such as http://[
        return ":" in value.partition("://")[2].rpartition("@")[0]
