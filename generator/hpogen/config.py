"""Configuration files: YAML with positions, every error of a file at once."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)

from hpogen.errors import ConfigError

Place = tuple[str | int, ...]
Problem = tuple[Place, str]


def finite_number(value: object) -> int | float:
    """Return a whole number or a finite float as it is. Raises ValueError for all else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("not a number")
    return value


Number = Annotated[float, PlainValidator(finite_number)]


class Strict(BaseModel):
    """A mapping that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FloatEntry(Strict):
    """A float between two bounds."""

    type: Literal["float"]
    low: Number
    high: Number
    log: bool = False

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
    log: bool = False

    @model_validator(mode="after")
    def ordered(self) -> IntEntry:
        """Refuse bounds that leave nothing to search."""
        if not self.low < self.high:
            raise ValueError(f"low {self.low} must be below high {self.high}")
        if self.log and (self.low < 1 or self.step != 1):
            raise ValueError("a log scale needs low of 1 or more and step 1")
        return self


class CategoricalEntry(Strict):
    """One of two or more values."""

    type: Literal["categorical"]
    choices: Annotated[list[Number], Field(min_length=2)]

    @model_validator(mode="after")
    def distinct(self) -> CategoricalEntry:
        """Refuse a value given twice."""
        if len(set(self.choices)) < len(self.choices):
            raise ValueError(f"choices {self.choices} repeat a value")
        return self


Entry = Annotated[FloatEntry | IntEntry | CategoricalEntry, Field(discriminator="type")]


class SamplerArguments(Strict):
    """Arguments of Optuna's TPESampler, all of them, at values chosen here."""

    n_startup_trials: Annotated[int, Field(ge=0)] = 10
    n_ei_candidates: Annotated[int, Field(ge=1)] = 24
    multivariate: bool = True
    group: bool = False
    constant_liar: bool = True
    prior_weight: float = 1.0
    consider_magic_clip: bool = True
    consider_endpoints: bool = False
    warn_independent_sampling: bool = False


class PrunerArguments(Strict):
    """Arguments of Optuna's MedianPruner; steps are epochs or optimizer steps, as the task counts.

    The script adds a rule of its own, see the parameter `prune_from`.
    """

    n_startup_trials: Annotated[int, Field(ge=0)] = 8
    n_warmup_steps: Annotated[int, Field(ge=0)] = 0
    interval_steps: Annotated[int, Field(ge=1)] = 1
    n_min_trials: Annotated[int, Field(ge=1)] = 5


class Config(Strict):
    """What a user says; everything may be left out, and gets the default of the task."""

    task: str | None = None
    budget: str | int | None = None
    horizon: Annotated[int, Field(ge=1)] | None = None
    tolerance: Annotated[float, Field(gt=0, lt=1)] = 0.25
    n_trials: Annotated[int, Field(ge=1)] = 50
    seed: Annotated[int, Field(ge=0)] = 42
    metric: str | None = None
    options: dict[str, str] = {}
    data: dict[str, Any] = {}
    splits: dict[str, Any] = {}
    model: dict[str, Any] = {}
    architecture: dict[str, Annotated[list[Number], Field(min_length=1)]] = {}
    search: dict[str, Entry] = {}
    fixed: dict[str, Number] = {}
    sampler: SamplerArguments = SamplerArguments()
    pruner: PrunerArguments = PrunerArguments()


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint for a word that is not known."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"


class Loader(yaml.SafeLoader):
    """YAML in which 1e-5 is a number and 2010-01-01 a text, as everybody who writes them means."""

    yaml_implicit_resolvers = {  # noqa: RUF012  as PyYAML declares it
        first: [item for item in items if item[0] != "tag:yaml.org,2002:timestamp"]
        for first, items in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*)(\.\d*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)


def read_yaml(path: Path) -> tuple[Any, dict[Place, tuple[int, int]]]:
    """Return the content of a file, and (line, column), from 1, of each key and item."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        node = yaml.compose(text, Loader=Loader)
        content = yaml.load(text, Loader=Loader)  # noqa: S506  a SafeLoader, see above
        places, duplicates = places_of(node)
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply, or an alias within itself") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ConfigError(f"{path}{where}: {error.problem}") from None
    if duplicates:
        problems = [(place, "key given twice") for place in duplicates]
        raise ConfigError(format_problems(str(path), problems, places))
    return content, places


def places_of(root: yaml.Node | None) -> tuple[dict[Place, tuple[int, int]], list[Place]]:
    """Return (line, column), from 1, of each key and item, and the keys given twice."""
    places: dict[Place, tuple[int, int]] = {(): (1, 1)}
    duplicates: list[Place] = []

    def walk(node: yaml.Node | None, place: Place) -> None:
        children: list[tuple[str | int, yaml.Node, yaml.Node]] = []
        if isinstance(node, yaml.MappingNode):
            children = [(key.value, key, value) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            children = [(index, item, item) for index, item in enumerate(node.value)]
        for name, at, child in children:
            here = (*place, name)
            if here in places:
                duplicates.append(here)
            places[here] = (at.start_mark.line + 1, at.start_mark.column + 1)
            walk(child, here)

    walk(root, ())
    return places, duplicates


def explain(error: Mapping[str, Any], model: type[BaseModel]) -> Problem:
    """Return the place and the message of one of pydantic's errors."""
    # A union's tag ("float" in search.learning_rate.float.low) is no part of the place.
    tags = {"float", "int", "categorical"}
    place = tuple(part for i, part in enumerate(error["loc"]) if not (i == 2 and part in tags))
    if error["type"] == "extra_forbidden":
        known = {
            "sampler": SamplerArguments.model_fields,
            "pruner": PrunerArguments.model_fields,
        }.get(str(place[0]) if len(place) > 1 else "", model.model_fields)
        return place, f"unknown key; {did_you_mean(str(place[-1]), known)}"
    message = error["msg"].removeprefix("Value error, ")
    given = error["input"]
    shown = f" (got {given!r})" if not isinstance(given, (dict, list)) else ""
    return place, message[0].lower() + message[1:] + shown


def format_problems(
    source: str, problems: Iterable[Problem], places: Mapping[Place, tuple[int, int]]
) -> str:
    """Return one line per problem: file, line and column, dotted path, what is wrong."""
    lines = []
    for place, message in problems:
        known = place
        while known not in places and known:
            known = known[:-1]
        line, column = places.get(known, (1, 1))
        dotted = ".".join(map(str, place)) or "file"
        lines.append((line, column, f"{source}:{line}:{column}: {dotted}: {message}"))
    return "\n".join(text for _, _, text in sorted(lines))


def validate(content: Any) -> Config | list[Problem]:
    """Return the configuration, or what is wrong with it."""
    try:
        return Config.model_validate({} if content is None else content)
    except ValidationError as error:
        return [explain(item, Config) for item in error.errors()]
