"""Specification from settings, defaults and the properties of the data file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hpogen.configuration.aliases import did_you_mean
from hpogen.configuration.yaml_file import ConfigFile, Place, Problem, shown
from hpogen.configuration.yaml_keys import CategoricalEntry, Config, IntEntry
from hpogen.errors import DataError, UsageError
from hpogen.families import DEFAULT_TASK, find_family
from hpogen.families.family import DataFacts, Family
from hpogen.grid.where_and_skip import skip_indices
from hpogen.rendering.naming import ScriptName
from hpogen.spec.defaults_and_checks import Resolver
from hpogen.spec.flags_over_file import Settings
from hpogen.spec.spec import Spec

MAX_GRID_POINTS = 100_000


@dataclass
class Findings:
    """Messages about a specification, and the number of training rows of its data file."""

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
    budget: int | str | None = None,
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
    """Return the specification of a command line; its values replace those of the file.

    Columns, digest and dates of the file `data` become part of the specification, and messages
    about the file are added to `findings`. `overrides` are KEY=VALUE as in --set. `any_horizon`
    replaces a missing horizon by 1, for output that does not depend on it.

    Raises UsageError, ConfigError or DataError.
    """
    settings = Settings(config)
    settings.override(overrides)
    settings.set_flag("--task", "task", value=task)
    settings.set_flag("--budget", "budget", value=budget)
    settings.set_flag("--horizon", "horizon", value=horizon)
    settings.set_flag("--tolerance", "tolerance", value=tolerance)
    settings.set_flag("--n-trials", "study", "n_trials", value=n_trials)
    settings.set_flag("--seed", "study", "seed", value=seed)
    settings.complete_searches()
    settings.choose(options or {})
    settings.choose_sections(with_sections, without_sections)
    checked, problems = settings.validate()
    checked, family = with_variant(checked, find_family(checked.task))
    if not problems:
        require_size(checked, family, any_horizon=any_horizon)
    problems += horizon_problems(checked, family)
    if data is not None and not problems:
        checked = with_data(checked, family, data, findings or Findings())
    resolver = Resolver(checked, family)
    values = resolver.values()
    problems += resolver.problems
    if problems:
        raise settings.error(problems)
    spec = Spec.model_validate({**values, **identity(checked, family, seed_in_name)})
    problems = [*skip_problems(spec), *grid_problems(spec)]
    if problems := [*problems, *fsdp_problems(spec), *seeds_problems(spec)]:
        raise settings.error(problems)
    return spec


def with_variant(config: Config, family: Family) -> tuple[Config, Family]:
    """Return the variant that a configuration chooses, with its constants. Raises DataError."""
    chosen = config.model.get(family.variant.constant) if family.variant else None
    if family.variant is None or not isinstance(chosen, str):
        return config, family
    found = family.variant.read(chosen)
    for name, value in found.items():
        if config.model.get(name, value) != value:
            raise DataError(f"{shown(chosen, 200)}: {name} is {shown(str(value))}, not as given")
    model = {**config.model, **found}
    return config.model_copy(update={"model": model}), family.variant.fitted(model)


def with_data(config: Config, family: Family, data: str, findings: Findings) -> Config:
    """Return a configuration with the properties of its data file. Raises DataError."""
    early = Resolver(config, family)
    early.typed_constants()
    if early.problems:
        return config  # make_spec reports these problems together with others
    configured = {**config.data, **config.splits, **config.model}
    facts = family.read_data(data, configured, config.task or DEFAULT_TASK)
    findings.add(facts)
    return config.model_copy(update={"data": {**config.data, **facts.constants}})


def require_size(config: Config, family: Family, *, any_horizon: bool) -> None:
    """Raise UsageError if the budget is missing, or the horizon although the task needs one."""
    if config.budget is None:
        raise UsageError("no budget; give --budget, for example --budget 2M")
    if family.has_horizon and config.horizon is None and not any_horizon:
        raise UsageError("no horizon; give --horizon, for example --horizon 1")


def identity(config: Config, family: Family, seed_in_name: bool) -> dict[str, Any]:
    """Return the names of script and study, and the fields from which they follow."""
    assert config.budget is not None  # noqa: S101  refused by require_size
    task = config.task or DEFAULT_TASK
    named_task = task if config.task or task != family.default_task else None
    horizon = (config.horizon or 1) if family.has_horizon else None
    seed = config.study.seed if seed_in_name else None
    name = str(ScriptName(config.budget, horizon, named_task, seed))
    return {
        "name": name,
        "study_name": config.study.name or name,
        "task": task,
        "budget": config.budget,
        "horizon": horizon,
    }


def horizon_problems(config: Config, family: Family) -> list[Problem]:
    """Return a problem if a horizon is given for a task without one."""
    if family.has_horizon or config.horizon is None:
        return []
    return [(("horizon",), f"task {config.task} has no horizon; leave it out")]


def skip_problems(spec: Spec) -> list[Problem]:
    """Return the problems of architecture.skip."""
    problems: list[Problem] = []
    for index, item in enumerate(spec.skip):
        place: Place = ("architecture", "skip", index)
        if isinstance(item, int):
            if item >= len(spec.architectures):
                last = len(spec.architectures) - 1
                problems.append((place, f"arch_idx {item} does not exist; the last one is {last}"))
        elif unknown := [name for name in item if name not in spec.architectures[0]]:
            hint = did_you_mean(unknown[0], spec.architectures[0])
            problems.append(((*place, unknown[0]), f"unknown column; {hint}"))
        elif not skip_indices(spec.architectures, [item]):
            message = (
                f"no architecture within the budget has {shown(repr(item))}; `hpogen grid` lists"
                " them"
            )
            problems.append((place, message))
    return problems


def fsdp_problems(spec: Spec) -> list[Problem]:
    """Return a problem for each choice that several devices per trial do not allow."""
    if "fsdp" not in spec.sections:
        return []
    problems: list[Problem] = []
    if "storage" in spec.sections:
        problems.append((("sections",), "fsdp keeps the study in its log; leave out storage"))
    if "walk_forward" in spec.constants:
        problems.append((("sections",), "fsdp trains one model; leave out splits.walk_forward"))
    if spec.constants.get("encoder") is not None:
        message = "fsdp does not keep the layer of a parameter; leave out model.encoder"
        problems.append((("sections",), message))
    if "experiment/accumulate_pairs" in spec.family.part_names(
        spec.task, spec.used, spec.constants
    ):
        message = "fsdp divides a batch, but this loss needs all pairs of its samples"
        problems.append((("sections",), f"{message}; choose another loss"))
    return problems


def seeds_problems(spec: Spec) -> list[Problem]:
    """Return a problem for each choice that several trainings per trial do not allow."""
    if not spec.seeds:
        return []
    place: Place = ("study", "seeds")
    parts = spec.family.part_names(spec.task, spec.used, spec.constants)
    reasons = {
        "splits.walk_forward trains several times, too; leave out one": "walk_forward"
        in spec.constants,
        "fsdp trains one model; leave out one": "fsdp" in spec.sections,
        f"the family {spec.family.name} has a training of its own": "experiment/training"
        not in parts,
    }
    return [(place, reason) for reason, holds in reasons.items() if holds]


def grid_problems(spec: Spec) -> list[Problem]:
    """Return a problem if a grid search has too many combinations."""
    if spec.sampler.type != "grid" or (n_points := grid_points(spec)) <= MAX_GRID_POINTS:
        return []
    message = (
        f"the grid has {n_points:,} combinations, more than {MAX_GRID_POINTS:,}; search fewer"
        " values or choose another sampler"
    )
    return [(("sampler",), message)]


def grid_points(spec: Spec) -> int:
    """Return the number of combinations of a grid search."""
    n_points = 1
    for size in spec.space().sizes().values():
        n_points *= size
    for entry in spec.search.values():
        if isinstance(entry, CategoricalEntry):
            n_points *= len(entry.choices)
        elif isinstance(entry, IntEntry):
            n_points *= (entry.high - entry.low) // entry.step + 1
    return n_points
