"""Specifications: everything a script depends on, resolved, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from hpo_script.experiment.arch_space import ArchSpace
from hpogen.budget import format_budget, parse_budget
from hpogen.config import (
    Bound,
    CategoricalEntry,
    Config,
    Entry,
    IntEntry,
    Number,
    Scalar,
    Skipped,
    did_you_mean,
)
from hpogen.errors import UsageError
from hpogen.extremes import extreme_indices
from hpogen.families import DEFAULT_TASK, find_family
from hpogen.family import DataFacts, Family
from hpogen.grid import Architecture, fits, nearest_budgets, skip_indices, within_budget
from hpogen.naming import ScriptName
from hpogen.request import Request
from hpogen.resolve import Resolver
from hpogen.samplers import PrunerArguments, SamplerArguments, Strict
from hpogen.yaml_file import ConfigFile, Place, Problem, shown

MAX_CELLS = 100_000  # of a grid search


class Spec(Strict):
    """A script's specification; equal specifications render equal bytes."""

    name: str
    study_name: str
    task: str
    budget: int
    horizon: int | None
    tolerance: float
    n_trials: int
    timeout_hours: Number | None
    seed: int
    storage: str | None
    metric: str
    options: dict[str, str]
    sections: list[str]
    constants: dict[str, Any]
    architecture: dict[str, list[Number]]
    where: dict[str, Bound]
    skip: list[Skipped]
    max_memory_gb: Number | None
    search: dict[str, Entry]
    fixed: dict[str, Scalar]
    sampler: SamplerArguments
    pruner: PrunerArguments

    @property
    def family(self) -> Family:
        """Return the family of the task."""
        return find_family(self.task)

    @property
    def used(self) -> dict[str, list[str]]:
        """Return the options and the values of switches that are in use."""
        found = {name: [choice] for name, choice in self.options.items()}
        for name in self.family.switches:
            entry = self.search.get(name)
            values = [self.fixed.get(name)] if entry is None else getattr(entry, "choices", [])
            found[name] = [str(value) for value in values]
        return found

    def to_json(self) -> str:
        """Return the specification as one line of JSON without white space."""
        text = json.dumps(self.model_dump(), separators=(",", ":"))
        return text.replace(" ", "\\u0020")  # only strings have any

    def sha256(self) -> str:
        """Return the digest of the specification."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def count(self, arch: Mapping[str, int]) -> int:
        """Return the number of parameters of an architecture."""
        return self.family.count_params(arch, self.constants, self.options)

    def sample_bytes(self, arch: Mapping[str, int]) -> int:
        """Return an estimate of what one sample keeps for the backward pass, in fp32."""
        return self.family.sample_bytes(arch, self.constants, self.options)

    @cached_property
    def candidates(self) -> list[Architecture]:
        """Return the whole space within the bounds, whatever its parameter counts."""
        rows = self.family.candidates(self.architecture)
        return [{**row, "params": self.count(row)} for row in rows if fits(row, self.where)]

    @cached_property
    def architectures(self) -> list[Architecture]:
        """Return the architectures within the budget, those that are never tried among them.

        Raises UsageError when there are not two to choose between.
        """
        found = within_budget(self.candidates, budget=self.budget, tolerance=self.tolerance)
        if len(found) < 2:
            counts = [row["params"] for row in self.candidates]
            near = ", ".join(f"{n:,}" for n in nearest_budgets(counts, self.budget))
            raise UsageError(
                f"budget {format_budget(self.budget)} ± {self.tolerance:.0%}: {len(found)}"
                " architectures fit, a search needs two; the nearest parameter counts are"
                f" {near or 'none: no architecture is within the bounds'}"
            )
        return found

    @cached_property
    def skipped(self) -> list[int]:
        """Return the rows that are never tried.

        Raises UsageError when not two are left to choose between.
        """
        found = set(skip_indices(self.architectures, self.skip))
        if self.max_memory_gb is not None:
            found |= {
                arch_idx
                for arch_idx, row in enumerate(self.architectures)
                if 16 * row["params"] + self.sample_bytes(row) > self.max_memory_gb * 1e9
            }
        if len(self.architectures) - len(found) < 2:
            least = min(16 * row["params"] + self.sample_bytes(row) for row in self.architectures)
            raise UsageError(
                f"skip and max_memory_gb leave {len(self.architectures) - len(found)} of"
                f" {len(self.architectures)} architectures, a search needs two; the smallest needs"
                f" {least / 1e9:.2f} GB"
            )
        return sorted(found)

    @cached_property
    def extremes(self) -> dict[int, str]:
        """Return {arch_idx: the ends it stands for} of the architectures that are tried first."""
        return extreme_indices(self.architectures, self.family.extreme_axes, skip=self.skipped)

    def space(self) -> ArchSpace:
        """Return the architectures as the sampler sees them."""
        return ArchSpace(self.architectures, self.family.free_axes, self.skipped)


def resolve(
    config: Config,
    *,
    task_given: bool,
    budget: int,
    horizon: int | None,
    seed_in_name: bool = False,
) -> Spec | list[Problem]:
    """Return the specification of a configuration, or what is wrong with it."""
    task = config.task or DEFAULT_TASK
    family = find_family(task)
    resolver = Resolver(config, family)
    options, axes = resolver.options(), resolver.axes(budget)
    used = resolver.used(options)
    constants = resolver.constants()
    search, fixed = resolver.params(used)
    metric, storage, sections = resolver.metric(used), resolver.storage(), resolver.sections()
    sampler = resolver.sampler({name: {"when": {}, **entry} for name, entry in search.items()})
    if resolver.problems:
        return resolver.problems
    mention = task if task_given or task != family.default_task else None
    study = config.study
    name = str(ScriptName(budget, horizon, mention, study.seed if seed_in_name else None))
    spec = Spec.model_validate(
        {
            "name": name,
            "study_name": study.name or name,
            "task": task,
            "budget": budget,
            "horizon": horizon,
            "tolerance": config.tolerance,
            "n_trials": study.n_trials,
            "timeout_hours": study.timeout_hours,
            "seed": study.seed,
            "storage": storage,
            "metric": metric,
            "options": options,
            "sections": sections,
            "constants": constants,
            "architecture": axes,
            "where": {n: bound.model_dump() for n, bound in config.architecture.where.items()},
            "skip": list(config.architecture.skip),
            "max_memory_gb": config.architecture.max_memory_gb,
            "search": search,
            "fixed": fixed,
            "sampler": sampler,
            "pruner": config.pruner.model_dump(),
        }
    )
    return check_skipped(spec) + check_cells(spec) or spec


def check_skipped(spec: Spec) -> list[Problem]:
    """Return the faults in the list of skipped architectures."""
    problems: list[Problem] = []
    for index, item in enumerate(spec.skip):
        place: Place = ("architecture", "skip", index)
        if isinstance(item, int):
            if item >= len(spec.architectures):
                last = len(spec.architectures) - 1
                problems.append((place, f"there is no arch_idx {item}; the last is {last}"))
        elif unknown := [name for name in item if name not in spec.architectures[0]]:
            hint = did_you_mean(unknown[0], spec.architectures[0])
            problems.append(((*place, unknown[0]), f"unknown column; {hint}"))
        elif not skip_indices(spec.architectures, [item]):
            problems.append((place, f"no architecture of the grid is {shown(repr(item))}"))
    return problems


def check_cells(spec: Spec) -> list[Problem]:
    """Return the faults in the size of a grid search."""
    if spec.sampler.type != "grid":
        return []
    cells = 1
    for size in spec.space().sizes().values():
        cells *= size
    for entry in spec.search.values():
        if isinstance(entry, CategoricalEntry):
            cells *= len(entry.choices)
        elif isinstance(entry, IntEntry):
            cells *= (entry.high - entry.low) // entry.step + 1
    if cells <= MAX_CELLS:
        return []
    return [
        (("sampler",), f"a grid of {cells:,} combinations; at most {MAX_CELLS:,} are searched")
    ]


@dataclass
class Findings:
    """Messages about a specification, and the size of the data that were read for it."""

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    n_train_rows: int | None = None

    def add(self, facts: DataFacts) -> None:
        """Add the properties of a data file."""
        self.notes += facts.notes
        self.warnings += facts.warnings
        self.n_train_rows = facts.n_train_rows


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
    with_sections: Sequence[str] = (),
    without_sections: Sequence[str] = (),
    overrides: Sequence[str] = (),
    config: ConfigFile | None = None,
    any_horizon: bool = False,
    seed_in_name: bool = False,
    findings: Findings | None = None,
) -> Spec:
    """Return the specification of a command line; what it says wins over the file.

    `data` is read: its columns, digest and dates become part of the specification, and its
    messages are added to `findings`. `overrides` are KEY=VALUE as in --set. With `any_horizon` a
    missing horizon is taken as 1, for what does not depend on it.

    Raises UsageError, ConfigError or DataError.
    """
    request = Request(config)
    request.override(overrides)
    request.say("task", value=task)
    request.say("budget", value=budget)
    request.say("horizon", value=horizon)
    request.say("tolerance", value=tolerance)
    request.say("study", "n_trials", value=n_trials)
    request.say("study", "seed", value=seed)
    request.choose(options or {})
    request.choose_sections(with_sections, without_sections)
    found, problems = request.config()
    family = request.about("task", find_family, found.task, problems=problems)
    if family is None:
        raise request.fail(problems)
    if found.budget is None and not problems:
        raise UsageError("no budget; give --budget, for example --budget 2M")
    said = "2M" if found.budget is None else found.budget
    n_params = request.about("budget", parse_budget, said, problems=problems)
    default = 1 if any_horizon or problems else None
    days = request.about("horizon", resolve_horizon, found, default, problems=problems)
    if data is not None and not problems:
        facts = family.read_data(data, found.data)
        found = found.model_copy(update={"data": {**found.data, **facts.constants}})
        (findings or Findings()).add(facts)
    spec = resolve(
        found,
        task_given=found.task is not None,
        budget=n_params or parse_budget("2M"),
        horizon=days,
        seed_in_name=seed_in_name,
    )
    if isinstance(spec, list):
        raise request.fail([*problems, *spec])
    if problems:
        raise request.fail(problems)
    return spec


def resolve_horizon(config: Config, default: int | None) -> int | None:
    """Return the horizon, None for a family that has none. Raises UsageError."""
    family = find_family(config.task)
    horizon = config.horizon or (default if family.has_horizon else None)
    if family.has_horizon and horizon is None:
        raise UsageError("no horizon; give --horizon, for example --horizon 1")
    if not family.has_horizon and config.horizon is not None:
        raise UsageError(f"task {config.task} has no horizon; leave --horizon out")
    return horizon
