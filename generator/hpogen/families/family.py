"""Family: everything that a group of tasks declares about data, model, search and script."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple


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
    n_optimizer_steps: int | None  # in one trial; None if unknown


@dataclass(frozen=True)
class Constant:
    """A constant of the script that is not a hyper-parameter: NAME in the script, name in YAML."""

    name: str
    group: str  # the parent key in YAML: data, splits or model
    default: Any
    type: Any
    description: str
    beside: str = ""  # a constant whose comment shows this one, in place of a line of its own
    optional: str = ""  # a group that is left out if all its constants have their defaults
    hidden: bool = False  # only the specification holds it: no line in the script, no key in YAML


@dataclass(frozen=True)
class Param:
    """A hyper-parameter: searched if its default is a search entry, fixed otherwise."""

    name: str
    default: Any  # a value, or a search entry such as {"type": "float", "low": …, "high": …}
    type: Any
    description: str


@dataclass(frozen=True)
class Choice:
    """One way to fill slots of the script, with the hyper-parameters that it needs."""

    parts: Mapping[str, str]
    description: str
    params: tuple[Param, ...] = ()
    metric: str | None = None  # the default metric of a search with this choice
    extra: Mapping[str, str] = field(default_factory=dict)  # replaces what others put in a slot


@dataclass(frozen=True)
class Switch:
    """A hyper-parameter whose values name functions; a script holds only those that it can use.

    The script lists them in the constant `argument`, in capitals. The name of a function is the
    value and `suffix`, for example `focal_loss`.
    """

    argument: str
    suffix: str
    choices: Mapping[str, Choice]


@dataclass(frozen=True)
class Variant:
    """Another form of a family, chosen by a constant of the model that is not None."""

    constant: str
    family: Family  # what it declares for every value of the constant
    read: Callable[[str], dict[str, Any]]  # the constants that follow from the value
    fitted: Callable[[Mapping[str, Any]], Family]  # the family for these constants


@dataclass(frozen=True)
class TaskKind:
    """A set of task names, and the parts that their scripts have."""

    pattern: str
    example: str
    title: str
    parts: Mapping[str, str] = field(default_factory=dict)

    def matches(self, task: str) -> bool:
        """Return whether a task is of this kind."""
        return re.fullmatch(self.pattern, task, re.ASCII) is not None

    def question(self, task: str) -> str:
        """Return the title for a task, with its number in place of <x>."""
        before, _, after = self.example.partition("<x>")
        return self.title.replace("<x>", task.removeprefix(before).removesuffix(after))


def with_defaults(constants: Iterable[Constant], configured: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configured value of each constant, or its default."""
    return {item.name: configured.get(item.name, item.default) for item in constants}


def no_slots(constants: Mapping[str, Any]) -> Mapping[str, list[str]]:
    """Return no slots, whatever the constants."""
    del constants
    return {}


def none_idle(values: Mapping[str, Sequence[Any]]) -> Mapping[str, tuple[str, str]]:
    """Return no parameter without effect, whatever the values."""
    del values
    return {}


def no_starts(constants: Mapping[str, Any]) -> list[str]:
    """Return no lines, whatever the constants."""
    del constants
    return []


@dataclass(frozen=True)
class Family:
    """Tasks that share data, model, axes and constants."""

    name: str
    tasks: tuple[TaskKind, ...]
    default_task: str | None  # its name is left out of file names
    has_horizon: bool
    axes: Mapping[str, tuple[float, ...]]
    small_axes: Mapping[str, tuple[float, ...]]  # replaces `axes` for small budgets
    small_below: int  # parameters; smaller budgets use `small_axes`
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
    metrics: Mapping[str, str]  # {name: direction}, a study may optimize each of them
    default_metric: str
    parts: tuple[str, ...]  # of the experiment, in reading order; a choice fills a {slot}
    read_data: Callable[[str, Mapping[str, Any], str], DataFacts]  # path, configured, task
    describe_inputs: Callable[[Mapping[str, Any], Mapping[str, str]], str]
    count_samples: Callable[[Mapping[str, Any], int | None, int | None], int | None]
    schedule: Callable[[Mapping[str, Any], int | None], Schedule]
    length_params: tuple[str, ...]  # hyper-parameters that `schedule` reads
    second_metrics: Mapping[str, str] = field(default_factory=dict)  # only beside one of `metrics`
    switches: Mapping[str, Switch] = field(default_factory=dict)
    slots: Callable[[Mapping[str, Any]], Mapping[str, list[str]]] = no_slots  # from constants
    # From the values that each parameter and axis may have: the parameters without effect, each
    # with the reason and a parameter whose larger values would give it one.
    idle: Callable[[Mapping[str, Sequence[Any]]], Mapping[str, tuple[str, str]]] = none_idle
    starts: Callable[[Mapping[str, Any]], list[str]] = no_starts  # source before `main` starts
    final_parts: tuple[str, ...] = ()  # only of final scripts, after `parts`
    variant: Variant | None = None
    folder: Path | None = None  # its own parts, which take precedence over those of hpo_script

    @property
    def directions(self) -> dict[str, str]:
        """Return the direction of every metric that a study may optimize, alone or second."""
        return {**self.metrics, **self.second_metrics}

    def kind(self, task: str) -> TaskKind:
        """Return the kind of a task of this family."""
        return next(kind for kind in self.tasks if kind.matches(task))

    def form(self, constants: Mapping[str, Any]) -> Family:
        """Return the variant of this family if the constants choose it, else this family."""
        if self.variant and constants.get(self.variant.constant) is not None:
            return self.variant.fitted(constants)
        return self

    def without_unused(self, constants: Mapping[str, Any]) -> dict[str, Any]:
        """Return the constants without each optional group whose values are all defaults."""
        used = {c.optional for c in self.constants if constants[c.name] != c.default}
        return {c.name: constants[c.name] for c in self.constants if c.optional in {"", *used}}

    def default_axes(self, budget: int | None) -> Mapping[str, Sequence[float]]:
        """Return the architecture axes that are searched at a budget by default."""
        return self.small_axes if (budget or self.small_below) < self.small_below else self.axes

    def choices(self, used: Mapping[str, Sequence[str]]) -> list[Choice]:
        """Return the choices of the options and switches in `used`, {name: values in use}."""
        tables = {**self.options, **{name: s.choices for name, s in self.switches.items()}}
        return [tables[name][value] for name, values in used.items() for value in values]

    def all_params(self, used: Mapping[str, Sequence[str]]) -> dict[str, Param]:
        """Return the hyper-parameters that the options and switches in use need, by name."""
        chosen = [choice.params for choice in self.choices(used)]
        return {param.name: param for group in (self.params, *chosen) for param in group}

    def owners(self) -> dict[str, dict[str, list[str]]]:
        """Return {parameter: {switch: values}} for parameters that only those values use."""
        owners: dict[str, dict[str, list[str]]] = {}
        for name, switch in self.switches.items():
            for value, choice in switch.choices.items():
                for param in choice.params:
                    owners.setdefault(param.name, {}).setdefault(name, []).append(value)
        return owners

    def part_names(
        self, task: str, used: Mapping[str, Sequence[str]], constants: Mapping[str, Any]
    ) -> list[str]:
        """Return the parts of the experiment in reading order, every slot filled."""
        return self.filled(self.parts, task, used, constants)

    def filled(
        self,
        parts: Iterable[str],
        task: str,
        used: Mapping[str, Sequence[str]],
        constants: Mapping[str, Any],
    ) -> list[str]:
        """Return some parts with every slot filled."""
        slots = {"accumulate": ["experiment/accumulate_mean"]}
        slots |= {slot: [part] for slot, part in self.kind(task).parts.items()}
        slots |= self.slots(constants)
        for choice in self.choices(used):
            for slot, part in choice.parts.items():
                slots.setdefault(slot, []).append(part)
        for choice in self.choices(used):
            slots |= {slot: [part] for slot, part in choice.extra.items()}
        names: list[str] = []
        for name in parts:
            names += slots[name[1:-1]] if name.startswith("{") else [name]
        return names
