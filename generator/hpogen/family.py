"""What a task family declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


def local_path(path: str) -> str:
    """Return how a script names a file: below the working folder, or by its name alone.

    A script holds no folder of the machine it was rendered on.
    """
    if not Path(path).is_absolute():
        return Path(path).as_posix()
    try:
        return Path(path).resolve().relative_to(Path.cwd().resolve()).as_posix()
    except ValueError:
        return Path(path).name


class DataFacts(NamedTuple):
    """Properties of a data file."""

    constants: dict[str, Any]  # values of the script's constants
    notes: list[str]
    warnings: list[str]
    n_train_rows: int | None = None  # rows of the training split, for a file of rows


class Schedule(NamedTuple):
    """Length of a trial; steps are in the unit of the pruner: epochs or optimizer steps."""

    n_evaluations: int
    step: int  # between two evaluations
    last_step: int
    n_batches: int | None  # optimizer steps between two evaluations; None if unknown
    n_optimizer_steps: int | None  # of the whole trial; None if unknown


@dataclass(frozen=True)
class Constant:
    """A constant of the script that is no hyper-parameter; NAME in the script, name in YAML."""

    name: str
    section: str
    default: Any
    type: Any
    about: str
    beside: str = ""  # it is no constant of the script, but a comment on this one


@dataclass(frozen=True)
class Param:
    """A hyper-parameter: fixed at its default or searched over its default, as the user says."""

    name: str
    default: Any  # a value, or a search entry such as {"type": "float", "low": …, "high": …}
    type: Any
    about: str


@dataclass(frozen=True)
class Choice:
    """One way to fill slots of the script, with the parameters it brings."""

    parts: Mapping[str, str]
    about: str
    params: tuple[Param, ...] = ()
    metric: str | None = None  # the metric to search by when nothing else is said
    extra: Mapping[str, str] = field(default_factory=dict)  # slots that one choice decides for all


@dataclass(frozen=True)
class Switch:
    """A hyper-parameter whose values are functions of the script, of which it has those in use.

    The task gets them as a table under the name `argument`; the function of a value is called
    by the value and `suffix`.
    """

    argument: str
    suffix: str
    choices: Mapping[str, Choice]


@dataclass(frozen=True)
class TaskKind:
    """A set of task names and the parts they bring."""

    pattern: str
    example: str
    title: str
    parts: Mapping[str, str] = field(default_factory=dict)

    def matches(self, task: str) -> bool:
        """Tell whether a task is of this kind."""
        return re.fullmatch(self.pattern, task, re.ASCII) is not None


@dataclass(frozen=True)
class Family:
    """Tasks that share data, model, axes and constants."""

    name: str
    tasks: tuple[TaskKind, ...]
    default_task: str | None  # the task that needs no mention in a file name
    has_horizon: bool
    axes: Mapping[str, tuple[float, ...]]
    small_axes: Mapping[str, tuple[float, ...]]  # in place of `axes` below
    small_below: int  # parameters
    candidates: Callable[[Mapping[str, Any]], Iterator[dict[str, int]]]
    count_params: Callable[[Mapping[str, int], Mapping[str, Any], Mapping[str, str]], int]
    sample_bytes: Callable[[Mapping[str, int], Mapping[str, Any], Mapping[str, str]], int]
    free_axes: tuple[str, ...]
    extreme_axes: tuple[str, ...]
    constants: tuple[Constant, ...]
    check: Callable[[Mapping[str, Any]], list[tuple[str, str]]]
    params: tuple[Param, ...]
    options: Mapping[str, Mapping[str, Choice]]
    default_options: Mapping[str, str]
    metrics: Mapping[str, str]
    default_metric: str
    parts: tuple[str, ...]
    read_data: Callable[[str, Mapping[str, Any]], DataFacts]
    describe_inputs: Callable[[Mapping[str, Any], Mapping[str, str]], str]
    count_samples: Callable[[Mapping[str, Any], int | None, int | None], int | None]
    schedule: Callable[[Mapping[str, Any], int | None], Schedule]
    length_params: tuple[str, ...]  # hyper-parameters that `schedule` looks up
    switches: Mapping[str, Switch] = field(default_factory=dict)

    def kind(self, task: str) -> TaskKind:
        """Return the kind of a task of this family."""
        return next(kind for kind in self.tasks if kind.matches(task))

    def default_axes(self, budget: int) -> Mapping[str, Sequence[float]]:
        """Return the architecture axes that are searched at a budget by default."""
        return self.small_axes if budget < self.small_below else self.axes

    def choices(self, used: Mapping[str, Sequence[str]]) -> list[Choice]:
        """Return the choices of the options and switches in use, {name: values}."""
        tables = {**self.options, **{name: s.choices for name, s in self.switches.items()}}
        return [tables[name][value] for name, values in used.items() for value in values]

    def all_params(self, used: Mapping[str, Sequence[str]]) -> dict[str, Param]:
        """Return the hyper-parameters where some options and values of switches are in use."""
        chosen = [choice.params for choice in self.choices(used)]
        return {param.name: param for group in (self.params, *chosen) for param in group}

    def owners(self) -> dict[str, dict[str, list[str]]]:
        """Return {parameter: {switch: values}} for parameters that only those values use."""
        found: dict[str, dict[str, list[str]]] = {}
        for name, switch in self.switches.items():
            for value, choice in switch.choices.items():
                for param in choice.params:
                    found.setdefault(param.name, {}).setdefault(name, []).append(value)
        return found

    def part_names(
        self, task: str, used: Mapping[str, Sequence[str]], **slots: Sequence[str]
    ) -> list[str]:
        """Return the parts of a script, in reading order, slots filled."""
        filled = {slot: [part] for slot, part in self.kind(task).parts.items()}
        filled |= {slot: list(parts) for slot, parts in slots.items()}
        for choice in self.choices(used):
            for slot, part in choice.parts.items():
                filled.setdefault(slot, []).append(part)
        for choice in self.choices(used):
            filled |= {slot: [part] for slot, part in choice.extra.items()}
        names: list[str] = []
        for name in self.parts:
            names += filled[name[1:-1]] if name.startswith("{") else [name]
        return names
