"""Scripts of a plan: each combination with its configuration, rendered in memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from hpogen.configuration.yaml_file import ConfigFile, Place, Problem
from hpogen.errors import ConfigError, DataError, HpogenError
from hpogen.families import DEFAULT_TASK, find_family
from hpogen.plans.overlay import with_exception
from hpogen.plans.plan import Match, PlanFile
from hpogen.plans.stages import first_of, without_final_parts
from hpogen.rendering.naming import ScriptName
from hpogen.rendering.render import render
from hpogen.spec import Findings, Spec, make_spec
from hpogen.spec.spec_warnings import spec_warnings

MAX_SCRIPTS = 1000
MAX_NAMES = 20  # scripts listed with one error


class Cell(NamedTuple):
    """One combination of a plan; `given_task` is None for the default task."""

    name: str
    budget: int
    horizon: int | None
    task: str
    seed: int | None
    given_task: str | None

    def fits(self, match: Match) -> bool:
        """Return whether a match selects this combination."""
        return all(getattr(self, name) == value for name, value in match.given().items())


class Script(NamedTuple):
    """A rendered script."""

    name: str  # of the file
    spec: Spec
    content: bytes
    warnings: list[str]


Track = Callable[[list[Cell]], Iterable[Cell]]


def render_plan(file: PlanFile, *, notes: list[str], track: Track = iter) -> list[Script]:
    """Return every script of a plan. Raises ConfigError with the problems of all scripts."""
    problems: dict[str, list[str]] = {}  # {message: the scripts that it concerns}
    scripts = []
    for cell in track(cells_of(file)):
        result = try_cell(file, cell, notes)
        if isinstance(result, Script):
            scripts.append(result)
            continue
        for line in result:
            problems.setdefault(line, []).append(f"{cell.name}.py")
    if problems:
        raise ConfigError("\n".join(f"{line} ({listed(ns)})" for line, ns in problems.items()))
    refuse_shared_study(file, scripts)
    return scripts


def try_cell(file: PlanFile, cell: Cell, notes: list[str]) -> Script | list[str]:
    """Return the script of one combination, or the lines of its error."""
    findings = Findings(notes)
    try:
        spec = cell_spec(file, cell, findings)
        warnings = [*findings.warnings, *spec_warnings(spec, findings.n_train_rows)]
        return Script(f"{cell.name}.py", spec, render(spec).encode(), warnings)
    except HpogenError as error:
        return message_lines(file, cell, error)


def listed(names: list[str]) -> str:
    """Return names with commas between them, at most MAX_NAMES."""
    n_more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {n_more} more" if n_more > 0 else "")


def message_lines(file: PlanFile, cell: Cell, error: HpogenError) -> list[str]:
    """Return the lines of an error, each with its place in the plan."""
    if isinstance(error, ConfigError):
        return str(error).splitlines()
    place: Place = ("budgets", file.plan.budgets.index(cell.budget))
    if isinstance(error, DataError):
        place = ("data",)
    return str(file.fail([(place, str(error))])).splitlines()


def refuse_shared_study(file: PlanFile, scripts: list[Script]) -> None:
    """Raise ConfigError if two scripts have the same study name."""
    names: dict[str, list[str]] = {}
    for script in scripts:
        names.setdefault(script.spec.study_name, []).append(script.name)
    shared = [group for group in names.values() if len(group) > 1]
    if shared:
        message = "several scripts would share one study; leave the name out"
        place = ("config", "study", "name")
        raise ConfigError(f"{file.fail([(place, message)])} ({listed(shared[0])})")


def cells_of(file: PlanFile) -> list[Cell]:
    """Return the combinations of a plan except the excluded ones. Raises ConfigError."""
    plan = file.plan
    problems = horizon_problems(file)
    axes: list[list[Any]] = [tasks_of(file), plan.budgets]
    axes += [plan.horizons or [None], plan.seeds or [None]]
    count = math.prod(map(len, axes))
    if count > MAX_SCRIPTS:
        message = f"the plan has {count:,} scripts, more than {MAX_SCRIPTS:,}; split it"
        problems.append((("budgets",), message))
    if problems:
        raise file.fail(problems)
    cells = list(dict.fromkeys(cell_of(file, *values) for values in itertools.product(*axes)))
    left = [cell for cell in cells if not any(map(cell.fits, plan.exclude))]
    problems = [
        *unused(cells, ("exclude",), plan.exclude),
        *unused(left, ("exceptions",), [item.match for item in plan.exceptions]),
        *repeated(left),
        *without_final_parts(file.plan.stages or [], [cell.task for cell in left]),
    ]
    if not left:
        problems.append((("exclude",), "excludes every script; remove an item"))
    if problems:
        raise file.fail(problems)
    return left


def tasks_of(file: PlanFile) -> list[str | None]:
    """Return the tasks of a plan; None stands for the default task."""
    return [*file.plan.tasks] if file.plan.tasks else [file.base.content.get("task")]


def cell_of(
    file: PlanFile, given_task: str | None, budget: int, horizon: int | None, seed: int | None
) -> Cell:
    """Return one combination; the horizon is dropped for a task that has none."""
    task = given_task or DEFAULT_TASK
    family = find_family(task)
    horizon = (horizon or file.base.content.get("horizon")) if family.has_horizon else None
    named_task = given_task or (task if task != family.default_task else None)
    named_seed = seed if several_seeds(file) else None
    stage = 0 if file.plan.stages else None
    name = str(ScriptName(budget, horizon, named_task, named_seed, stage))
    return Cell(name, budget, horizon, task, seed, given_task)


def several_seeds(file: PlanFile) -> bool:
    """Return whether file names include the seed."""
    return len(file.plan.seeds or []) > 1


def horizon_problems(file: PlanFile) -> list[Problem]:
    """Return the problem of missing horizons, or of horizons that no task has."""
    given = bool(file.plan.horizons)
    tasks = [task or DEFAULT_TASK for task in tasks_of(file)]
    need = [task for task in tasks if find_family(task).has_horizon]
    if need and not given and "horizon" not in file.base.content:
        return [(("horizons",), f"task {need[0]} needs a horizon; write for example [1]")]
    if given and not need:
        return [(("horizons",), f"task {tasks[0]} has no horizon; leave horizons out")]
    return []


def unused(cells: list[Cell], place: Place, matches: list[Match]) -> list[Problem]:
    """Return a problem per match that selects no script."""
    match_place = ("match",) if place == ("exceptions",) else ()
    return [
        ((*place, index, *match_place), "selects no script of this plan; correct or remove it")
        for index, match in enumerate(matches)
        if not any(cell.fits(match) for cell in cells)
    ]


def repeated(cells: list[Cell]) -> list[Problem]:
    """Return a problem per name that two scripts would have."""
    names = [cell.name for cell in cells]
    twice = dict.fromkeys(name for name in names if names.count(name) > 1)
    return [
        (("tasks",), f"two scripts would have the name {name}.py; remove one of the tasks")
        for name in twice
    ]


def cell_spec(file: PlanFile, cell: Cell, findings: Findings) -> Spec:
    """Return the specification of one script. Raises HpogenError."""
    exceptions = [
        (index, item) for index, item in enumerate(file.plan.exceptions) if cell.fits(item.match)
    ]
    config = file.base
    for index, item in exceptions:
        config = with_exception(file, config, index, item)
    try:
        return spec_of(file, cell, config, findings)
    except ConfigError:
        if exceptions:
            check_base(file, cell)
        raise


def check_base(file: PlanFile, cell: Cell) -> None:
    """Raise ConfigError if a script's configuration is not valid even without its exceptions."""
    try:
        spec_of(file, cell, file.base, Findings())
    except ConfigError:
        raise
    except HpogenError:
        return  # such as no architectures, where the exception changes the axes


def spec_of(file: PlanFile, cell: Cell, config: ConfigFile, findings: Findings) -> Spec:
    """Return the specification of one script under a configuration. Raises HpogenError."""
    stages = file.plan.stages
    spec = make_spec(
        budget=str(cell.budget),
        horizon=cell.horizon,
        task=cell.given_task,
        seed=cell.seed,
        n_trials=stages[0].n_trials if stages else None,
        data=file.plan.data,
        config=config,
        seed_in_name=several_seeds(file),
        findings=findings,
    )
    return first_of(spec) if stages else spec
