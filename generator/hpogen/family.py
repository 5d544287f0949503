"""What a task family declares."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Constant:
    """A constant of the script that is no hyper-parameter; NAME in the script, name in YAML."""

    name: str
    section: str
    default: Any
    type: Any
    about: str


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
    candidates: Callable[[Mapping[str, Any]], Iterator[dict[str, int]]]
    count_params: Callable[[Mapping[str, int], Mapping[str, Any], Mapping[str, str]], int]
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

    def kind(self, task: str) -> TaskKind:
        """Return the kind of a task of this family."""
        return next(kind for kind in self.tasks if kind.matches(task))

    def all_params(self, options: Mapping[str, str]) -> dict[str, Param]:
        """Return the hyper-parameters under a choice of options."""
        chosen = [self.options[option][choice].params for option, choice in options.items()]
        return {param.name: param for group in (self.params, *chosen) for param in group}

    def part_names(self, task: str, options: Mapping[str, str]) -> list[str]:
        """Return the parts of a script, in reading order, slots filled."""
        slots = dict(self.kind(task).parts)
        for option, choice in options.items():
            slots |= self.options[option][choice].parts
        return [slots[name[1:-1]] if name.startswith("{") else name for name in self.parts]
