"""The configuration of a search in YAML: its keys, their types and their ranges."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from hpogen.configuration.samplers import PrunerArguments, SamplerArguments, Strict
from hpogen.configuration.yaml_file import plain_text, shown
from hpogen.errors import UsageError
from hpogen.families import find_family
from hpogen.grid.budget import BUDGET_HELP, parse_budget


def finite_number(value: object) -> int | float:
    """Return a finite number unchanged. Raises ValueError for any other value."""
    number = None if isinstance(value, bool) or not isinstance(value, (int, float)) else value
    if number is None or not abs(number) <= sys.float_info.max:  # isfinite fails for 10**400
        raise ValueError("write a number")
    return number


def scalar(value: object) -> int | float | str:
    """Return a finite number or a text unchanged. Raises ValueError for any other value."""
    return value if isinstance(value, str) else finite_number(value)


def skip_item(value: object) -> int | dict[str, int]:
    """Return an arch_idx or {column: value} unchanged. Raises ValueError for any other value."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, dict) and value and all(type(v) is int for v in value.values()):
        return value
    raise ValueError("write an arch_idx or columns such as {d_model: 1024, n_layers: 256}")


def one_or_more(value: object) -> list[int | float | str]:
    """Return a scalar or a list of scalars as a list. Raises ValueError for any other value."""
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ValueError("write a value or a list of values")
    return [scalar(item) for item in values]


def budget(value: object) -> int:
    """Return the number of parameters of a budget. Raises ValueError."""
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        with suppress(UsageError):
            return parse_budget(str(value))
    raise ValueError(BUDGET_HELP)


def task_of_a_family(name: str) -> str:
    """Return the name of a task unchanged. Raises ValueError if no family has the task."""
    try:
        find_family(name)
    except UsageError as error:
        raise PydanticCustomError("unknown_task", "{message}", {"message": str(error)}) from None
    return name


Budget = Annotated[
    int, PlainValidator(budget), WithJsonSchema({"type": ["string", "integer"]})
]  # fmt: skip
Horizon = Annotated[int, Field(ge=1, le=1000)]
Task = Annotated[str, AfterValidator(task_of_a_family)]
Number = Annotated[float, PlainValidator(finite_number), WithJsonSchema({"type": "number"})]
Scalar = Annotated[  # Any, so that the specification holds the value as it is written
    Any, PlainValidator(scalar), WithJsonSchema({"type": ["number", "string"]})
]
Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(plain_text)]
Values = Annotated[
    list[Any],
    PlainValidator(one_or_more),
    WithJsonSchema({"type": ["number", "string", "array"]}),
]
Skipped = Annotated[
    Any,
    PlainValidator(skip_item),
    WithJsonSchema({"type": ["integer", "object"]}),
]
When = Annotated[
    dict[str, Values],
    Field(
        description="Condition: search the parameter only in trials where each parameter named"
        " here has the given value, or one of the given values"
    ),
]


class FloatEntry(Strict):
    """A float from low to high, both included."""

    type: Literal["float"]
    low: Number
    high: Number
    log: bool = Field(default=False, description="Draw on a log scale; low must be above 0")
    when: When = Field(default={})

    @model_validator(mode="after")
    def ordered(self) -> FloatEntry:
        """Refuse an empty range, and a log scale from 0 or below."""
        if not self.low < self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low {self.low} must be above 0 on a log scale")
        return self


class IntEntry(Strict):
    """A whole number from low to high, both included."""

    type: Literal["int"]
    low: int
    high: int
    step: Annotated[int, Field(ge=1)] = 1
    log: bool = Field(
        default=False, description="Draw on a log scale; low must be 1 or more and step 1"
    )
    when: When = Field(default={})

    @model_validator(mode="after")
    def ordered(self) -> IntEntry:
        """Refuse an empty range, a log scale with steps, and a high that no step reaches."""
        if not self.low < self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        if self.log and (self.low < 1 or self.step != 1):
            raise ValueError("a log scale needs low 1 or more and step 1")
        if rest := (self.high - self.low) % self.step:
            raise ValueError(
                f"high {self.high} is not low plus a multiple of step {self.step};"
                f" write high: {self.high - rest}"
            )
        return self


class CategoricalEntry(Strict):
    """One of two or more values."""

    type: Literal["categorical"]
    choices: Annotated[list[Scalar], Field(min_length=2)]
    when: When = Field(default={})

    @model_validator(mode="after")
    def distinct(self) -> CategoricalEntry:
        """Refuse a value given twice."""
        if len(set(self.choices)) < len(self.choices):
            raise ValueError(
                f"a value occurs twice in choices {shown(repr(self.choices))}; remove one"
            )
        return self


Entry = Annotated[FloatEntry | IntEntry | CategoricalEntry, Field(discriminator="type")]


class Bound(Strict):
    """The range of a column of ARCHITECTURES, both ends included; null leaves an end open."""

    min: Number | None = None
    max: Number | None = None

    def holds(self, value: float) -> bool:
        """Return whether a value lies in the range."""
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


Axis = Annotated[list[Number], Field(min_length=1, max_length=1000)]


class ArchitectureConfig(BaseModel):
    """The values of each architecture axis, and the architectures to leave out."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    __pydantic_extra__: dict[str, Axis]

    where: dict[str, Bound] = Field(
        default={},
        description="Range of each column; architectures outside are not listed in the script",
    )
    skip: list[Skipped] = Field(
        default=[],
        description="Architectures that no trial uses, by arch_idx or column values; they stay"
        " listed, so that every arch_idx keeps its meaning",
    )
    max_memory_gb: Annotated[Number, Field(gt=0)] | None = Field(
        default=None,
        description="Skip architectures whose estimated training memory at batch size 1 is"
        " larger, in GB",
    )


def distinct(show: Callable[[Any], str]) -> AfterValidator:
    """Return a validator that refuses a list in which a value occurs twice."""

    def check(values: list[Any]) -> list[Any]:
        twice = next((value for i, value in enumerate(values) if value in values[:i]), None)
        if twice is not None:
            raise ValueError(f"{shown(show(twice))} occurs twice; remove one")
        return values

    return AfterValidator(check)


TrainingSeeds = Annotated[
    list[Annotated[int, Field(ge=0, lt=2**31)]],
    Field(min_length=2, max_length=20),
    distinct(str),
]


class StudyConfig(Strict):
    """The study: its name, number of trials, seed, time limit and storage."""

    name: Text | None = Field(
        default=None, description="Study name in the storage; default: the name of the script"
    )
    n_trials: Annotated[int, Field(ge=1, le=10**6)] = Field(
        default=50, description="Total number of trials over all runs of the script"
    )
    n_noise: Annotated[int, Field(ge=0, le=10**6)] = Field(
        default=3,
        description="Of these, at the end: reruns of the best trial with other seeds, to measure"
        " the noise of a seed; none in a study of fewer than 10 trials",
    )
    n_confirm: Annotated[int, Field(ge=0, le=10**6)] = Field(
        default=0,
        description="Of these, before the reruns of the best trial: a rerun of each of this number"
        " of best trials with another seed",
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        default=42, description="Seed of all random number streams"
    )
    seeds: TrainingSeeds | None = Field(
        default=None,
        description="A trial trains once with each of these, added to its seed; its metrics are"
        " the means. Splits and sampler have the one seed above",
    )
    timeout_hours: Annotated[Number, Field(gt=0)] | None = Field(
        default=None,
        description="Stop a run after this many hours; a running trial is saved and resumed",
    )
    storage: Annotated[str, Field(min_length=1), AfterValidator(plain_text)] | None = Field(
        default=None, description="URL of an Optuna storage; adds the section storage"
    )


class Config(Strict):
    """The configuration of a search; a key that is left out has the default of the task."""

    task: Task | None = Field(default=None, description="Prediction task")
    budget: Budget | None = Field(
        default=None, description="Number of model parameters, such as 350K, 2M or 1.5B"
    )
    horizon: Horizon | None = Field(
        default=None, description="Number of trading days ahead that the label looks"
    )
    tolerance: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.25,
        description="Largest relative difference between an architecture and the budget",
    )
    metric: str | None = Field(
        default=None, description="Metric that the study optimizes; default: chosen by the task"
    )
    direction: Literal["minimize", "maximize"] | None = Field(
        default=None,
        description="Direction of the study; follows from the metric, so it can be left out",
    )
    second_metric: str | None = Field(
        default=None,
        description="Second metric that the study optimizes, such as ece; no trial is pruned then",
    )
    study: StudyConfig = StudyConfig()
    options: dict[str, str] = Field(
        default={}, description="Choice for each option, such as inputs: revin"
    )
    sections: list[str] = Field(default=[], description="Optional sections of the script")
    data: dict[str, Any] = Field(default={}, description="Data file and feature columns")
    splits: dict[str, Any] = Field(
        default={}, description="Sizes or dates of the training, validation and test split"
    )
    model: dict[str, Any] = Field(
        default={}, description="Model settings that are the same for all architectures"
    )
    architecture: ArchitectureConfig = Field(default={}, validate_default=True)
    search: dict[str, Entry] = Field(
        default={}, description="Search space: the distribution of each searched parameter"
    )
    fixed: dict[str, Scalar] = Field(
        default={}, description="Values of parameters that are not searched"
    )
    sampler: SamplerArguments = Field(default={"type": "tpe"}, validate_default=True)
    pruner: PrunerArguments = Field(default={"type": "median"}, validate_default=True)
