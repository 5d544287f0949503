"""Families of a user: loaded from a folder and checked before a script is rendered."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from hpogen.configuration.aliases import did_you_mean
from hpogen.configuration.yaml_file import shown
from hpogen.errors import FamilyError
from hpogen.families.family import Family
from hpogen.files import shown_path
from hpogen.rendering.inline import PACKAGE, find_part, read_part

FILE = "family.py"
REQUIRED_AXES = ("d_model", "n_layers", "n_heads", "d_ff")  # of every architecture
SLOTS = {"accumulate"}  # filled by default


def load_family(folder: Path) -> Family:
    """Return FAMILY of folder/family.py. Raises FamilyError.

    This function executes family.py, the user's code. family.py may import modules of its folder:
    `from .parameter_counts import count_params`. The parts are read, not executed.
    """
    path = folder / FILE
    if not path.is_file():
        raise FamilyError(f"{shown_path(path)}: no such file; it defines FAMILY = Family(...)")
    name = f"hpogen_family_{re.sub(r'[^0-9A-Za-z]', '_', folder.name)}"
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(folder)]
    )
    assert spec is not None  # noqa: S101  the name ends in .py
    assert spec.loader is not None  # noqa: S101
    for loaded in [other for other in sys.modules if other.startswith(f"{name}.")]:
        del sys.modules[loaded]
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever the user's code raises
        raise FamilyError(f"{place_of(error, path)}: {type(error).__name__}: {error}") from error
    family = getattr(module, "FAMILY", None)
    if not isinstance(family, Family):
        raise FamilyError(f"{shown_path(path)}: defines no FAMILY = Family(...)")
    family = dataclasses.replace(family, folder=folder.resolve())
    if problems := [*name_problems(family), *part_problems(family), *value_problems(family)]:
        raise FamilyError("\n".join(f"{shown_path(path)}: {problem}" for problem in problems))
    return family


def place_of(error: Exception, path: Path) -> str:
    """Return FILE:LINE of an error, where LINE is the last one of this file in the traceback."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{shown_path(path)}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f"{shown_path(path)}:{lines[-1]}" if lines else shown_path(path)


def name_problems(family: Family) -> Iterator[str]:
    """Yield faults of the name and the tasks."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", family.name):
        yield f"name {shown(repr(family.name))}: use lower-case letters, digits and _"
    if not family.tasks:
        yield "tasks: give at least one TaskKind"
    for kind in family.tasks:
        try:
            matches = kind.matches(kind.example)
        except re.error as error:
            yield f"task {shown(kind.example)}: pattern {shown(repr(kind.pattern))}: {error}"
            continue
        if not matches and "<" not in kind.example:
            pattern = shown(repr(kind.pattern))
            yield f"task {shown(kind.example)}: does not match its pattern {pattern}"


def part_problems(family: Family) -> Iterator[str]:
    """Yield parts that are missing, and methods that the class Task lacks."""
    defaults = {constant.name: constant.default for constant in family.constants}
    slots = {slot for kind in family.tasks for slot in kind.parts} | SLOTS
    slots |= family.slots(family.without_unused(defaults)).keys()
    tables = [*family.options.values(), *(s.choices for s in family.switches.values())]
    choices = [choice for table in tables for choice in table.values()]
    slots |= {slot for choice in choices for slot in (*choice.parts, *choice.extra)}
    for name in (*family.parts, *family.final_parts):
        if name.startswith("{") and name[1:-1] not in slots:
            yield f"parts: nothing fills the slot {name}; {did_you_mean(name[1:-1], slots)}"
    fixed = [name for name in family.parts if not name.startswith("{")]
    chosen = [part for kind in family.tasks for part in kind.parts.values()]
    chosen += [part for choice in choices for part in choice.parts.values()]
    final = [name for name in family.final_parts if not name.startswith("{")]
    named = (*fixed, *chosen, *final)
    missing = [name for name in named if find_part(name, family.folder) is None]
    for name in missing:
        yield f"part {shown(name)}: {name}.py is neither in the folder nor in {PACKAGE}"
    if not missing:
        yield from task_problems(family, fixed)


def task_problems(family: Family, names: list[str]) -> Iterator[str]:
    """Yield the methods of the protocol that the class Task of a family lacks."""
    needed = methods("Task", read_part("experiment/task").body)
    for name in names:
        part = read_part(name, family.folder)
        if "Task" in part.defines:
            lacking = sorted(needed - methods("Task", part.body))
            if lacking:
                yield f"{part.where}: Task lacks {', '.join(lacking)}; see experiment/task.py"
            return
    yield "parts: none defines the class Task; see experiment/task.py"


def methods(name: str, source: str) -> set[str]:
    """Return the names of the methods that a class defines."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
    return set()


def value_problems(family: Family) -> Iterator[str]:
    """Yield faults of metrics, axes, and the counts of parameters and bytes."""
    if family.default_metric not in family.metrics:
        hint = did_you_mean(family.default_metric, family.metrics)
        yield f"default_metric {shown(family.default_metric)}: unknown metric; {hint}"
    for name, direction in family.directions.items():
        if direction not in ("minimize", "maximize"):
            yield f"metrics: {shown(name)} is {shown(repr(direction))}; write minimize or maximize"
    for name in ("data_path", "data_sha256"):
        if name not in {constant.name for constant in family.constants}:
            yield f"constants: {name} is missing"
    yield from errors_as_faults(family, "candidates", lambda: candidate_problems(family))


def candidate_problems(family: Family) -> Iterator[str]:
    """Yield faults of the first architecture and of its count."""
    row = next(family.candidates(family.axes), None)
    if row is None:
        yield "candidates: yields no architecture for the axes of the family"
        return
    if lacking := [name for name in REQUIRED_AXES if name not in row]:
        yield f"candidates: an architecture lacks {', '.join(lacking)}; give 1 where unused"
        return
    constants = {constant.name: constant.default for constant in family.constants}
    options = dict(family.default_options)
    for name in ("count_params", "sample_bytes"):
        count = getattr(family, name)(row, constants, options)
        if not (isinstance(count, int) and count > 0):
            yield f"{name}: returns {shown(repr(count))} for {row}; return a whole number above 0"


def errors_as_faults(
    family: Family, name: str, check: Callable[[], Iterator[str]]
) -> Iterator[str]:
    """Yield the faults that a check returns, or the error that the user's function raises."""
    try:
        yield from check()
    except Exception as error:  # whatever the user's code raises
        path = Path(str(family.folder)) / FILE
        yield f"{place_of(error, path)}: {name}: {type(error).__name__}: {error}"
