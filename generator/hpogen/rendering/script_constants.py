"""Constants at the top of a script: their groups, values and comments."""

from __future__ import annotations

from typing import Any

from hpogen import __version__
from hpogen.configuration.samplers import written_out
from hpogen.families.family import Constant
from hpogen.rendering.literals import (
    Underscored,
    dict_rows,
    list_rows,
    packed_dicts,
    packed_rows,
)
from hpogen.rendering.sections import Section, chosen_sections
from hpogen.spec import Spec
from hpogen.spec.defaults_and_checks import GROUPS

Assignment = tuple[str, Any, str]  # NAME, with a type where it needs one, value, comment
Group = tuple[str, list[Assignment]]  # title, constants

TITLES = {"data": "Data", "splits": "Splits", "model": "Model"}


def script_constants(spec: Spec) -> list[Group]:
    """Return the constants of a script in groups, in reading order."""
    return [
        ("Experiment", experiment_constants(spec)),
        *((item.title, section_constants(item, spec)) for item in chosen_sections(spec.sections)),
        *((TITLES[group], family_constants(spec, group)) for group in GROUPS),
        ("Search space, besides the architecture", search_constants(spec)),
        (
            "Sampler and pruner of Optuna (steps in the unit of evaluations)",
            [
                (
                    "SAMPLER: dict[str, Any]",
                    packed_rows(written_out(spec.sampler, spec.n_objectives)),
                    "",
                ),
                ("PRUNER: dict[str, Any]", packed_rows(written_out(spec.pruner)), ""),
            ],
        ),
        (
            "Architectures within the budget, deep and narrow to shallow and wide, exact params",
            [
                ("FREE_AXES", list(spec.family.free_axes), "do not change the parameter count"),
                ("ARCHITECTURES", list_rows(spec.architectures), ""),
                ("EXTREME_INDICES: dict[int, str]", packed_rows(spec.extremes), "tried first"),
                ("SKIP_INDICES: list[int]", spec.skipped, "used by no trial"),
                (
                    "WARM_START: list[dict[str, Any]]",
                    packed_dicts(spec.warm_start),
                    "tried after the extremes",
                ),
            ],
        ),
    ]


def experiment_constants(spec: Spec) -> list[Assignment]:
    """Return the constants of every script."""
    direction = 'DIRECTION: Literal["minimize", "maximize"]'
    horizon = ("HORIZON", spec.horizon, "trading days ahead")
    return [
        ("NAME", spec.name, ""),
        ("BUDGET", Underscored(spec.budget), "parameters"),
        ("TOLERANCE", spec.tolerance, "largest relative difference from the budget"),
        *([horizon] if spec.family.has_horizon else []),
        ("TASK", spec.task, ""),
        ("METRIC", spec.metric, "value of a trial: its best evaluation (if pruned, its last)"),
        (direction, spec.family.metrics[spec.metric], ""),
        *second_objective(spec),
        ("N_TRIALS", spec.n_trials, "total over all runs of this script"),
        (
            "N_NOISE",
            spec.n_noise,
            "last trials: the best configuration again, with other seeds",
        ),
        ("N_CONFIRM", spec.n_confirm, "trials before those: each of the best ones once more"),
        (
            "TIMEOUT_HOURS: float | None",
            spec.timeout_hours,
            "a run stops after this time, even during a trial",
        ),
        ("SEED", spec.seed, "of all random streams"),
        *([("SEEDS", spec.seeds, "a trial trains with each")] if spec.seeds else []),
        ("HPOGEN", f"{__version__} {spec.sha256()[:12]}", "version, digest of the specification"),
    ]


def second_objective(spec: Spec) -> list[Assignment]:
    """Return the constants of the second objective, if there is one."""
    if spec.second_metric is None:
        return []
    way = spec.family.directions[spec.second_metric]
    return [
        (
            "SECOND_METRIC",
            spec.second_metric,
            "of the same evaluation; the sampler optimizes both",
        ),
        ('SECOND_DIRECTION: Literal["minimize", "maximize"]', way, ""),
    ]


def section_constants(section: Section, spec: Spec) -> list[Assignment]:
    """Return the constants of a section; a field of the specification replaces the default."""
    return [
        (name, getattr(spec, name.split(":")[0].lower(), value), about)
        for name, value, about in section.constants
    ]


def family_constants(spec: Spec, group: str) -> list[Assignment]:
    """Return the constants of the family in a group."""
    return [
        (
            annotated(item.name, spec),
            spec.constants[item.name],
            item.description + beside(item, spec),
        )
        for item in spec.family.constants
        if item.group == group and not (item.beside or item.hidden) and item.name in spec.constants
    ]


def annotated(name: str, spec: Spec) -> str:
    """Return the name of a constant, with a type if its value does not show it."""
    value = spec.constants[name]
    if isinstance(value, dict):
        return f"{name.upper()}: dict[str, str]"
    return f"{name.upper()}: str | None" if value is None else name.upper()


def beside(constant: Constant, spec: Spec) -> str:
    """Return the values that a script holds only in the comment on a constant."""
    own = [item.name for item in spec.family.constants if item.beside == constant.name]
    values = [spec.constants[name] for name in own]
    return "".join(f", {' to '.join(value)}" for value in values if value)


def search_constants(spec: Spec) -> list[Assignment]:
    """Return the searched parameters, their conditions, and the fixed parameters."""
    params = spec.family.all_params(spec.used)
    comments = {name: param.description for name, param in params.items()}
    search = {name: entry.model_dump() for name, entry in spec.search.items()}
    when = {name: entry.pop("when") for name, entry in search.items()}
    conditions = {name: condition for name, condition in when.items() if condition}
    return [
        ("SEARCH_SPACE: dict[str, dict[str, Any]]", dict_rows(search, comments), ""),
        ("CONDITIONS: dict[str, dict[str, list[Any]]]", dict_rows(conditions), ""),
        ("FIXED_PARAMS: dict[str, Any]", dict_rows(spec.fixed, comments), "not searched"),
    ]
