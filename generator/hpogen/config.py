"""The configuration of a search as its user writes it: names, types, and what they may hold."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from hpogen.aliases import closest_name, did_you_mean
from hpogen.budget import parse_budget
from hpogen.errors import UsageError
from hpogen.families import find_family
from hpogen.samplers import PrunerArguments, SamplerArguments, Strict
from hpogen.validation_messages import value_message
from hpogen.yaml_file import Problem, plain_text, shown


def finite_number(value: object) -> int | float:
    """Return a whole number or a finite float as it is. Raises ValueError for all else."""
    number = None if isinstance(value, bool) or not isinstance(value, (int, float)) else value
    if number is None or not abs(number) <= sys.float_info.max:  # isfinite fails for 10**400
        raise ValueError("not a number")
    return number


def scalar(value: object) -> int | float | str:
    """Return a number or a text as it is. Raises ValueError for all else."""
    return value if isinstance(value, str) else finite_number(value)


def skipped(value: object) -> int | dict[str, int]:
    """Return an arch_idx, or what architectures are, as it is. Raises ValueError for all else."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, dict) and value and all(type(v) is int for v in value.values()):
        return value
    raise ValueError("give an arch_idx, or what it is, such as {d_model: 1024, n_layers: 256}")


def one_or_more(value: object) -> list[int | float | str]:
    """Return a value or a list of values as a list. Raises ValueError for all else."""
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ValueError("no value is given")
    return [scalar(item) for item in values]


def budget(value: object) -> int:
    """Return the number of parameters of a budget. Raises ValueError."""
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        with suppress(UsageError):
            return parse_budget(str(value))
    raise ValueError("write a number of parameters like 350K, 2M, 1.5B")


def known_task(name: str) -> str:
    """Return the name of a task as it is. Raises ValueError if no family has it."""
    try:
        find_family(name)
    except UsageError as error:
        raise PydanticCustomError("unknown_task", "{message}", {"message": str(error)}) from None
    return name


Budget = Annotated[
    int, PlainValidator(budget), WithJsonSchema({"type": ["string", "integer"]})
]  # fmt: skip
Horizon = Annotated[int, Field(ge=1, le=1000)]
Task = Annotated[str, AfterValidator(known_task)]
Number = Annotated[float, PlainValidator(finite_number), WithJsonSchema({"type": "number"})]
Scalar = Annotated[  # Any, because a number and a text have no common form to be written in
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
    PlainValidator(skipped),
    WithJsonSchema({"type": ["integer", "object"]}),
]
When = Annotated[
    dict[str, Values],
    Field(description="Search it only where another parameter has this value, or one of these"),
]


class FloatEntry(Strict):
    """A float between two bounds."""

    type: Literal["float"]
    low: Number
    high: Number
    log: bool = Field(default=False, description="Search on a log scale")
    when: When = Field(default={})

    @model_validator(mode="after")
    def ordered(self) -> FloatEntry:
        """Refuse bounds that leave nothing to search."""
        if not self.low < self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low {self.low} must be above 0 on a log scale")
        return self


class IntEntry(Strict):
    """A whole number between two bounds, both included."""

    type: Literal["int"]
    low: int
    high: int
    step: Annotated[int, Field(ge=1)] = 1
    log: bool = Field(default=False, description="Search on a log scale; needs step 1")
    when: When = Field(default={})

    @model_validator(mode="after")
    def ordered(self) -> IntEntry:
        """Refuse bounds that leave nothing to search, and an end that is never reached."""
        if not self.low < self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        if self.log and (self.low < 1 or self.step != 1):
            raise ValueError("a log scale needs low of 1 or more and step 1")
        if (self.high - self.low) % self.step:
            last = self.high - (self.high - self.low) % self.step
            raise ValueError(f"high {self.high} is not reached by step {self.step}; {last} is")
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
            raise ValueError(f"choices {shown(repr(self.choices))} repeat a value")
        return self


Entry = Annotated[FloatEntry | IntEntry | CategoricalEntry, Field(discriminator="type")]


class Bound(Strict):
    """The least and the largest value of a column of the grid."""

    min: Number | None = None
    max: Number | None = None

    def holds(self, value: float) -> bool:
        """Tell whether a value lies within."""
        return (self.min is None or value >= self.min) and (self.max is None or value <= self.max)


Axis = Annotated[list[Number], Field(min_length=1, max_length=1000)]


class ArchitectureConfig(BaseModel):
    """The axes of the architecture space by name, and what is left out of it."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    __pydantic_extra__: dict[str, Axis]

    where: dict[str, Bound] = Field(
        default={}, description="Keep only architectures within these bounds"
    )
    skip: list[Skipped] = Field(
        default=[], description="Never try these, by arch_idx or by what they are; indices stay"
    )
    max_memory_gb: Annotated[Number, Field(gt=0)] | None = Field(
        default=None, description="Never try what needs more for a batch of one; indices stay"
    )


class StudyConfig(Strict):
    """The study: its name, how long it goes on, where it is stored."""

    name: Text | None = Field(
        default=None, description="In the storage; default: the name of the script"
    )
    n_trials: Annotated[int, Field(ge=1, le=10**6)] = Field(
        default=50, description="Total number of trials over every run"
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        default=42, description="Seed of every random stream"
    )
    timeout_hours: Annotated[Number, Field(gt=0)] | None = Field(
        default=None, description="Hours after which a run stops, even in a trial"
    )
    storage: Annotated[str, Field(min_length=1), AfterValidator(plain_text)] | None = Field(
        default=None, description="URL of an Optuna storage; adds the section storage"
    )


class Config(Strict):
    """What a user says; everything may be left out, and gets the default of the task."""

    task: Task | None = Field(default=None, description="What is predicted")
    budget: Budget | None = Field(default=None, description="Number of parameters: 350K, 2M")
    horizon: Horizon | None = Field(default=None, description="Trading days ahead")
    tolerance: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.25, description="Share of the budget, up and down"
    )
    metric: str | None = Field(default=None, description="What trials are compared by")
    direction: Literal["minimize", "maximize"] | None = Field(
        default=None, description="That of the metric; anything else is refused"
    )
    study: StudyConfig = StudyConfig()
    options: dict[str, str] = Field(default={}, description="Parts to use")
    sections: list[str] = Field(default=[], description="Parts that not every script has")
    data: dict[str, Any] = Field(default={}, description="What is read")
    splits: dict[str, Any] = Field(default={}, description="Training, validation, test")
    model: dict[str, Any] = Field(default={}, description="Sizes besides the architecture")
    architecture: ArchitectureConfig = Field(default={}, validate_default=True)
    search: dict[str, Entry] = Field(default={}, description="Parameters that are searched")
    fixed: dict[str, Scalar] = Field(default={}, description="Parameters that are not searched")
    sampler: SamplerArguments = Field(default={"type": "tpe"}, validate_default=True)
    pruner: PrunerArguments = Field(default={"type": "median"}, validate_default=True)


def explain(error: Mapping[str, Any], model: type[BaseModel]) -> Problem:
    """Return the place and the message of one of pydantic's errors."""
    loc = error["loc"]
    place = tuple(step for index, step in enumerate(loc) if not is_tag(loc, index))
    if error["type"] == "extra_forbidden":
        known = known_keys(model, loc[:-1])
        if len(loc) == 1 and loc[0] in StudyConfig.model_fields:
            return place, f"unknown key; did you mean study.{loc[0]}?"
        return place, f"unknown key; {did_you_mean(str(place[-1]), known)}"
    if error["type"] == "union_tag_invalid":
        tags = error["ctx"]["expected_tags"].replace("'", "").split(", ")
        given = str(error["ctx"]["tag"])
        return (*place, "type"), f"unknown type {shown(given)!r}; {did_you_mean(given, tags)}"
    if error["type"] == "union_tag_not_found":
        return place, "no type; say for example type: float"
    if place in (("sampler",), ("pruner",)):
        return place, f"write {type_example(str(error['input']), str(place[0]))}"
    if len(place) == 2 and place[0] == "search" and error["type"].endswith("_type"):
        return place, "write {type: float, low: A, high: B}, or type int or categorical"
    return place, value_message(error)


def type_example(word: str, group: str) -> str:
    """Return the mapping of a sampler or pruner that a word names, else of each that exists."""
    tags = list(Config.model_json_schema()["properties"][group]["discriminator"]["mapping"])
    name = closest_name(word, tags)
    return f"{{type: {name}}}" if name else " or ".join(f"{{type: {tag}}}" for tag in tags)


def is_tag(loc: tuple[int | str, ...], index: int) -> bool:
    """Tell whether a step of a path is the tag of a union: below search.NAME, sampler, pruner."""
    return (index == 2 and loc[0] == "search") or (index == 1 and loc[0] in ("sampler", "pruner"))


def known_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Return the keys that a mapping may have, found by following a path through the models."""
    schema = model.model_json_schema()
    node: Mapping[str, Any] = schema
    for step in loc:
        node = follow(schema, node, step)
    return [str(name) for name in resolved(schema, node).get("properties", {})]


def resolved(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a node of a JSON Schema with its reference followed."""
    for option in (node, *node.get("anyOf", ()), *node.get("allOf", ())):
        if "$ref" in option:
            found: Mapping[str, Any] = schema["$defs"][option["$ref"].rpartition("/")[2]]
            return found
    return node


def follow(
    schema: Mapping[str, Any], node: Mapping[str, Any], step: int | str
) -> Mapping[str, Any]:
    """Return the node of a JSON Schema one step down: a key, an index, the tag of a union."""
    node = resolved(schema, node)
    mapping = node.get("discriminator", {}).get("mapping", {})
    if step in mapping:
        return {"$ref": mapping[step]}
    below = node.get("properties", {}).get(step) or node.get("additionalProperties")
    found = below if isinstance(below, Mapping) else node.get("items", {})
    return found if isinstance(found, Mapping) else {}


def validate(content: Any, model: type[BaseModel] = Config) -> Any | list[Problem]:
    """Return the configuration, or what is wrong with it."""
    try:
        return model.model_validate({} if content is None else content)
    except ValidationError as error:
        return [explain(item, model) for item in error.errors()]
