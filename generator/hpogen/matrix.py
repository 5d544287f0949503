"""The scripts of a plan: its combinations, each with its configuration, rendered in memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from hpogen.errors import ConfigError, DataError, HpogenError
from hpogen.families import DEFAULT_TASK, find_family
from hpogen.naming import ScriptName
from hpogen.overlay import with_exception
from hpogen.plan import Match, PlanFile
from hpogen.render import render
from hpogen.spec import Findings, Spec, make_spec
from hpogen.spec_warnings import spec_warnings
from hpogen.yaml_file import ConfigFile, Place, Problem

MAX_SCRIPTS = 1000
MAX_NAMES = 20  # of scripts told with one error


class Cell(NamedTuple):
    """One script of a plan; `said` is its task if the plan or its configuration names one."""

    name: str
    budget: int
    horizon: int | None
    task: str
    seed: int | None
    said: str | None

    def is_meant(self, match: Match) -> bool:
        """Tell whether a match finds this script."""
        return all(getattr(self, name) == value for name, value in match.said().items())


class Script(NamedTuple):
    """A rendered script."""

    name: str  # of the file
    spec: Spec
    content: bytes
    warnings: list[str]


Track = Callable[[list[Cell]], Iterable[Cell]]


def render_plan(file: PlanFile, *, notes: list[str], track: Track = iter) -> list[Script]:
    """Return every script of a plan. Raises ConfigError with all that is wrong."""
    wrong: dict[str, list[str]] = {}
    tried = [try_cell(file, cell, notes, wrong) for cell in track(cells_of(file))]
    if wrong:
        raise ConfigError("\n".join(f"{line} ({listed(names)})" for line, names in wrong.items()))
    scripts = [script for script in tried if script]
    refuse_shared_study(file, scripts)
    return scripts


def try_cell(
    file: PlanFile, cell: Cell, notes: list[str], wrong: dict[str, list[str]]
) -> Script | None:
    """Return a script, or add what is wrong with it to what is wrong with others."""
    try:
        findings = Findings(notes)
        spec = cell_spec(file, cell, findings)
        warnings = [*findings.warnings, *spec_warnings(spec, findings.n_train_rows)]
        return Script(f"{cell.name}.py", spec, render(spec).encode(), warnings)
    except HpogenError as error:
        for line in told(file, cell, error):
            wrong.setdefault(line, []).append(f"{cell.name}.py")
        return None


def listed(names: list[str]) -> str:
    """Return names in a row, cut when there are very many."""
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


def told(file: PlanFile, cell: Cell, error: HpogenError) -> list[str]:
    """Return an error's lines, each with a place."""
    if isinstance(error, ConfigError):
        return str(error).splitlines()
    place: Place = ("budgets", file.plan.budgets.index(cell.budget))
    if isinstance(error, DataError):
        place = ("data",)
    return str(file.fail([(place, str(error))])).splitlines()


def refuse_shared_study(file: PlanFile, scripts: list[Script]) -> None:
    """Raise ConfigError if two scripts would add to one study."""
    names: dict[str, list[str]] = {}
    for script in scripts:
        names.setdefault(script.spec.study_name, []).append(script.name)
    shared = [group for group in names.values() if len(group) > 1]
    if shared:
        message = "one study for several scripts; leave it out, each has its own name"
        place = ("config", "study", "name")
        raise ConfigError(f"{file.fail([(place, message)])} ({listed(shared[0])})")


def cells_of(file: PlanFile) -> list[Cell]:
    """Return the combinations of a plan, without those it excludes. Raises ConfigError."""
    plan = file.plan
    problems = horizon_problems(file)
    axes: list[list[Any]] = [tasks_of(file), plan.budgets]
    axes += [plan.horizons or [None], plan.seeds or [None]]
    count = math.prod(map(len, axes))
    if count > MAX_SCRIPTS:
        problems.append((("budgets",), f"{count:,} scripts; at most {MAX_SCRIPTS:,} are one plan"))
    if problems:
        raise file.fail(problems)
    cells = list(dict.fromkeys(cell_of(file, *values) for values in itertools.product(*axes)))
    left = [cell for cell in cells if not any(map(cell.is_meant, plan.exclude))]
    problems = [
        *unused(cells, ("exclude",), plan.exclude),
        *unused(left, ("exceptions",), [item.match for item in plan.exceptions]),
        *repeated(left),
    ]
    if not left:
        problems.append((("exclude",), "no script is left"))
    if problems:
        raise file.fail(problems)
    return left


def tasks_of(file: PlanFile) -> list[str | None]:
    """Return the tasks of a plan; None is the default task, unsaid."""
    return [*file.plan.tasks] if file.plan.tasks else [file.base.content.get("task")]


def cell_of(
    file: PlanFile, said: str | None, budget: int, horizon: int | None, seed: int | None
) -> Cell:
    """Return one combination; a task without a horizon goes without."""
    task = said or DEFAULT_TASK
    family = find_family(task)
    horizon = (horizon or file.base.content.get("horizon")) if family.has_horizon else None
    mention = said or (task if task != family.default_task else None)
    name = str(ScriptName(budget, horizon, mention, seed if several_seeds(file) else None))
    return Cell(name, budget, horizon, task, seed, said)


def several_seeds(file: PlanFile) -> bool:
    """Tell whether names need the seed to differ."""
    return len(file.plan.seeds or []) > 1


def horizon_problems(file: PlanFile) -> list[Problem]:
    """Return where horizons are missing, or given to tasks that have none."""
    given = bool(file.plan.horizons)
    tasks = [task or DEFAULT_TASK for task in tasks_of(file)]
    need = [task for task in tasks if find_family(task).has_horizon]
    if need and not given and "horizon" not in file.base.content:
        return [(("horizons",), f"task {need[0]} needs some; say for example horizons: [1]")]
    if given and not need:
        return [(("horizons",), f"task {tasks[0]} has no horizon; leave them out")]
    return []


def unused(cells: list[Cell], place: Place, matches: list[Match]) -> list[Problem]:
    """Return the matches that find no script."""
    match_place = ("match",) if place == ("exceptions",) else ()
    return [
        ((*place, index, *match_place), "finds no script of this plan")
        for index, match in enumerate(matches)
        if not any(cell.is_meant(match) for cell in cells)
    ]


def repeated(cells: list[Cell]) -> list[Problem]:
    """Return the names that two scripts would have."""
    names = [cell.name for cell in cells]
    twice = dict.fromkeys(name for name in names if names.count(name) > 1)
    return [(("tasks",), f"two scripts would be {name}.py") for name in twice]


def cell_spec(file: PlanFile, cell: Cell, findings: Findings) -> Spec:
    """Return the specification of one script. Raises HpogenError."""
    exceptions = [
        (index, item)
        for index, item in enumerate(file.plan.exceptions)
        if cell.is_meant(item.match)
    ]
    config = file.base
    for index, item in exceptions:
        config = with_exception(file, config, index, item)
    try:
        return spec_of(file, cell, config, findings)
    except ConfigError:
        if exceptions:
            refuse_base(file, cell)
        raise


def refuse_base(file: PlanFile, cell: Cell) -> None:
    """Raise ConfigError if a script's configuration is wrong even without its exceptions."""
    try:
        spec_of(file, cell, file.base, Findings())
    except ConfigError:
        raise
    except HpogenError:
        return  # such as a budget that only the exception makes possible


def spec_of(file: PlanFile, cell: Cell, config: ConfigFile, findings: Findings) -> Spec:
    """Return the specification of one script under a configuration. Raises HpogenError."""
    return make_spec(
        budget=str(cell.budget),
        horizon=cell.horizon,
        task=cell.said,
        seed=cell.seed,
        data=file.plan.data,
        config=config,
        seed_in_name=several_seeds(file),
        findings=findings,
    )
