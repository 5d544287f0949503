"""Families of tasks: the built-in ones, and those that `add_family` loads from a folder."""

from __future__ import annotations

from pathlib import Path

from hpogen.configuration.aliases import closest_task
from hpogen.configuration.yaml_file import shown
from hpogen.errors import FamilyError, UsageError
from hpogen.families.family import Family
from hpogen.families.language import LANGUAGE
from hpogen.families.market import MARKET
from hpogen.families.text import TEXT
from hpogen.families.text.joint import TEXT_JOINT
from hpogen.families.text.shared import TEXT_SHARED
from hpogen.families.text.spans import SPANS

FAMILIES = [MARKET, LANGUAGE, TEXT, SPANS, TEXT_SHARED, TEXT_JOINT]  # `add_family` appends
DEFAULT_TASK = "threshold_1pct"


def find_family(task: str | None) -> Family:
    """Return the family of a task; None stands for the default task. Raises UsageError."""
    wanted = DEFAULT_TASK if task is None else task
    for family in FAMILIES:
        if any(kind.matches(wanted) for kind in family.tasks):
            return family
    kinds = [kind for family in FAMILIES for kind in family.tasks]
    examples = [kind.example for kind in kinds]
    if (task := closest_task(wanted, examples)) and any(kind.matches(task) for kind in kinds):
        raise UsageError(f"unknown task {shown(wanted)!r}; did you mean {task}?")
    raise UsageError(
        f"unknown task {shown(wanted)!r}; choose from {', '.join(examples)}, or add tasks with"
        " --family FOLDER"
    )


def add_family(folder: Path) -> Family:
    """Add the family of a folder, or replace its earlier version. Raises FamilyError."""
    from hpogen.families.own_family import load_family

    family = load_family(folder)
    others = [other for other in FAMILIES if other.folder != family.folder]
    for other in others:
        if other.name == family.name:
            raise FamilyError(f"{shown(str(folder), 200)}: family {family.name} already exists")
        for kind in other.tasks:
            example = kind.example.replace("<x>", "1")
            if any(own.matches(example) for own in family.tasks):
                message = (
                    f"task {example} belongs to the family {other.name}; give it another name"
                )
                raise FamilyError(f"{shown(str(folder), 200)}: {message}")
    FAMILIES[:] = [*others, family]
    return family
