"""Specifications: everything a script depends on, resolved, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from hpo_script.arch_space import ArchSpace
from hpogen.budget import format_budget, parse_budget
from hpogen.config import (
    Config,
    Entry,
    Number,
    Place,
    Problem,
    PrunerArguments,
    SamplerArguments,
    Strict,
    did_you_mean,
    format_problems,
    read_yaml,
    validate,
)
from hpogen.errors import ConfigError, UsageError
from hpogen.families import DEFAULT_TASK, FAMILIES
from hpogen.family import Family, Param
from hpogen.grid import Architecture, nearest_budgets, within_budget
from hpogen.naming import ScriptName

SECTIONS = ("data", "splits", "model")


class Spec(Strict):
    """A script's specification; equal specifications render equal bytes."""

    name: str
    task: str
    budget: int
    horizon: int | None
    tolerance: float
    n_trials: int
    seed: int
    metric: str
    options: dict[str, str]
    constants: dict[str, Any]
    architecture: dict[str, list[Number]]
    search: dict[str, Entry]
    fixed: dict[str, Number]
    sampler: SamplerArguments
    pruner: PrunerArguments

    @property
    def family(self) -> Family:
        """Return the family of the task."""
        return find_family(self.task)

    def to_json(self) -> str:
        """Return the specification as one line of JSON without white space."""
        text = json.dumps(self.model_dump(), separators=(",", ":"))
        return text.replace(" ", "\\u0020")  # only strings have any

    def sha256(self) -> str:
        """Return the digest of the specification."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def architectures(self) -> list[Architecture]:
        """Return the rows within the budget.

        Raises UsageError when there are not two to choose between.
        """
        family = self.family

        def count(arch: Mapping[str, int]) -> int:
            return family.count_params(arch, self.constants, self.options)

        rows = within_budget(
            family.candidates(self.architecture),
            count_params=count,
            budget=self.budget,
            tolerance=self.tolerance,
        )
        if len(rows) < 2:
            counts = [count(arch) for arch in family.candidates(self.architecture)]
            near = ", ".join(f"{n:,}" for n in nearest_budgets(counts, self.budget))
            raise UsageError(
                f"budget {format_budget(self.budget)} ± {self.tolerance:.0%}: {len(rows)}"
                " architectures fit, a search needs two; the nearest parameter counts are"
                f" {near or 'none: no d_model is divisible by an n_heads'}"
            )
        return rows

    def space(self) -> ArchSpace:
        """Return the architectures as the sampler sees them."""
        return ArchSpace(self.architectures(), free_axes=self.family.free_axes)


def find_family(task: str) -> Family:
    """Return the family a task belongs to."""
    for family in FAMILIES:
        if any(kind.matches(task) for kind in family.tasks):
            return family
    known = ", ".join(kind.example for family in FAMILIES for kind in family.tasks)
    raise UsageError(f"task {task!r} is unknown; there are {known}")


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
            message = error.errors()[0]["msg"]
            self.refuse(place, f"{message[0].lower()}{message[1:]} (got {value!r})")

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
                self.refuse(("options", option), f"unknown choice {choice!r}; {hint}")
            else:
                chosen[option] = choice
        return chosen

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

    def axes(self) -> dict[str, list[Any]]:
        """Return the values of each architecture axis."""
        axes: dict[str, list[Any]] = {n: list(v) for n, v in self.family.axes.items()}
        for axis, values in self.config.architecture.items():
            place = ("architecture", axis)
            if axis not in axes:
                self.refuse(place, f"unknown axis; {did_you_mean(axis, axes)}")
                continue
            for index, value in enumerate(values):
                whole = isinstance(value, int) or axis.endswith("_ratio")
                if value <= 0 or not whole:
                    self.refuse((*place, index), f"{value!r} is not a whole number above 0")
            axes[axis] = sorted(set(values))
        return axes

    def params(
        self, options: Mapping[str, str]
    ) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
        """Return (searched, fixed) parameters; what the user says of one replaces its default."""
        known = self.family.all_params(options)
        search = {name: entry.model_dump() for name, entry in self.config.search.items()}
        for name, entry in search.items():
            if entry["type"] == "float" and name in known and is_whole(known[name].type):
                self.refuse(("search", name), "holds whole numbers; use type: int or categorical")
            for value in entry.get("choices") or [entry["low"], entry["high"]]:
                self.check_param(("search", name), value, known)
        for name, value in self.config.fixed.items():
            self.check_param(("fixed", name), value, known)
            if name in search:
                self.refuse(("fixed", name), "also in search; leave it in one of the two")
        searched, fixed = {}, {}
        for name, param in known.items():
            default = param.default
            if name in search or (isinstance(default, dict) and name not in self.config.fixed):
                searched[name] = search.get(name, default)
            else:
                fixed[name] = self.config.fixed.get(name, default)
        return searched, fixed

    def check_param(self, place: Place, value: Any, known: Mapping[str, Param]) -> None:
        """Check a value given to a parameter."""
        name = str(place[-1])
        if name in known:
            self.check_value(place, value, known[name].type)
        else:
            self.refuse(place, f"unknown parameter; {did_you_mean(name, known)}")

    def metric(self, options: Mapping[str, str]) -> str:
        """Return the metric trials are compared by."""
        preferred = [self.family.options[o][c].metric for o, c in options.items()]
        default = next((name for name in preferred if name), self.family.default_metric)
        metric = self.config.metric or default
        if metric not in self.family.metrics:
            hint = did_you_mean(metric, self.family.metrics)
            self.refuse(("metric",), f"unknown metric {metric!r}; {hint}")
        return metric


def resolve(
    config: Config, *, task_given: bool, budget: int, horizon: int | None
) -> Spec | list[Problem]:
    """Return the specification of a configuration, or what is wrong with it."""
    task = config.task or DEFAULT_TASK
    family = find_family(task)
    resolver = Resolver(config, family)
    options, axes = resolver.options(), resolver.axes()
    constants = resolver.constants()
    search, fixed = resolver.params(options)
    metric = resolver.metric(options)
    if resolver.problems:
        return resolver.problems
    mention = task if task_given or task != family.default_task else None
    return Spec.model_validate(
        {
            "name": str(ScriptName(budget, horizon, mention)),
            "task": task,
            "budget": budget,
            "horizon": horizon,
            "tolerance": config.tolerance,
            "n_trials": config.n_trials,
            "seed": config.seed,
            "metric": metric,
            "options": options,
            "constants": constants,
            "architecture": axes,
            "search": search,
            "fixed": fixed,
            "sampler": config.sampler.model_dump(),
            "pruner": config.pruner.model_dump(),
        }
    )


def is_whole(type_: Any) -> bool:
    """Tell whether a parameter's type is a whole number."""
    return get_args(type_)[:1] == (int,)


def resolve_horizon(config: Config, *, default: int | None) -> int | None:
    """Return the horizon, None for a family that has none. Raises UsageError."""
    family = find_family(config.task or DEFAULT_TASK)
    horizon = config.horizon or (default if family.has_horizon else None)
    if family.has_horizon and horizon is None:
        raise UsageError("no horizon; give --horizon, for example --horizon 1")
    if not family.has_horizon and horizon is not None:
        raise UsageError(f"task {config.task} has no horizon; leave --horizon out")
    return horizon


def make_spec(
    *,
    budget: str | None = None,
    horizon: int | None = None,
    task: str | None = None,
    data: str | None = None,
    n_trials: int | None = None,
    seed: int | None = None,
    tolerance: float | None = None,
    options: Mapping[str, str] | None = None,
    config_path: Path | None = None,
    any_horizon: bool = False,
) -> Spec:
    """Return the specification of a command line; what it says wins over the file.

    With `any_horizon` a missing horizon is taken as 1, for what does not depend on it. Raises
    UsageError or ConfigError.
    """
    content, places = read_yaml(config_path) if config_path else ({}, {})
    config = validate(content)
    if isinstance(config, list):
        raise ConfigError(format_problems(str(config_path), config, places))
    said = {
        "task": task,
        "budget": budget,
        "horizon": horizon,
        "n_trials": n_trials,
        "seed": seed,
        "tolerance": tolerance,
    }
    update: dict[str, Any] = {name: value for name, value in said.items() if value is not None}
    if data is not None:
        update["data"] = {**config.data, "data_path": data}
    if options:
        update["options"] = {**config.options, **options}
    config = config.model_copy(update=update)
    if config.budget is None:
        raise UsageError("no budget; give --budget, for example --budget 2M")
    spec = resolve(
        config,
        task_given=config.task is not None,
        budget=parse_budget(str(config.budget)),
        horizon=resolve_horizon(config, default=1 if any_horizon else None),
    )
    if isinstance(spec, list):
        raise ConfigError(format_problems(str(config_path or "command line"), spec, places))
    return spec
