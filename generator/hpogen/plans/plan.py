"""Plans: a matrix of scripts in YAML."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from hpogen.configuration.load import load_config
from hpogen.configuration.samplers import Strict
from hpogen.configuration.validation import validate
from hpogen.configuration.yaml_file import (
    ConfigFile,
    Place,
    Problem,
    format_problems,
    read_config,
    shown,
)
from hpogen.configuration.yaml_keys import Budget, Horizon, Task, Text
from hpogen.errors import ConfigError
from hpogen.grid.budget import format_budget

# Keys that an exception may not change, because matches select scripts by them.
IDENTITY = ("task", "budget", "horizon")


def folder_below(text: str) -> str:
    """Return a relative path unchanged. Raises ValueError if it may leave the plan's folder."""
    path = PurePosixPath(text.replace("\\", "/"))
    if path.is_absolute() or PureWindowsPath(text).drive or ".." in path.parts:
        raise ValueError("write a relative path below the folder of the plan, without ..")
    return text


def path_or_mapping(value: object) -> str | dict[str, Any]:
    """Return the configuration of a plan unchanged. Raises ValueError for other values."""
    if isinstance(value, dict) or (isinstance(value, str) and value and "\0" not in value):
        return value
    raise ValueError("write a configuration, or the path of one")


def distinct(show: Callable[[Any], str]) -> AfterValidator:
    """Return a validator that refuses a list in which a value occurs twice."""

    def check(values: list[Any]) -> list[Any]:
        twice = next((value for i, value in enumerate(values) if value in values[:i]), None)
        if twice is not None:
            raise ValueError(f"{shown(show(twice))} occurs twice; remove one")
        return values

    return AfterValidator(check)


Seed = Annotated[int, Field(ge=0, lt=2**63)]
AtLeastOne = Field(min_length=1, max_length=1000)
Configuration = Annotated[
    str | dict[str, Any],
    PlainValidator(path_or_mapping),
    WithJsonSchema({"type": ["string", "object"]}),
]


class Match(Strict):
    """A selection of scripts: those that have all of the given values."""

    budget: Budget | None = Field(default=None, description="Number of model parameters")
    horizon: Horizon | None = Field(default=None, description="Number of trading days ahead")
    task: Task | None = Field(default=None, description="Prediction task")
    seed: Seed | None = Field(default=None, description="One of the seeds of the plan")

    @model_validator(mode="after")
    def not_empty(self) -> Match:
        """Refuse a match that would select every script."""
        if not self.given():
            raise ValueError("write budget, horizon, task or seed")
        return self

    def given(self) -> dict[str, Any]:
        """Return {name: value} of the values that are not null."""
        return {name: value for name, value in self if value is not None}


class PlanException(Strict):
    """Changes to the configuration of some scripts."""

    match: Match = Field(description="The scripts to change")
    config: dict[str, Any] = Field(
        description="Changes, merged into the configuration group by group"
    )


class Plan(Strict):
    """A matrix of scripts: each combination of budget, horizon, task and seed is one script."""

    budgets: Annotated[list[Budget], AtLeastOne, distinct(format_budget)] = Field(
        description="Numbers of model parameters, such as 350K or 2M"
    )
    horizons: Annotated[list[Horizon], AtLeastOne, distinct(str)] | None = Field(
        default=None, description="Numbers of trading days ahead, for tasks with a horizon"
    )
    tasks: Annotated[list[Task], AtLeastOne, distinct(str)] | None = Field(
        default=None, description="Prediction tasks; default: the task of the configuration"
    )
    seeds: Annotated[list[Seed], AtLeastOne, distinct(str)] | None = Field(
        default=None, description="Seeds; with two or more, file names end in _s and the seed"
    )
    config: Configuration | None = Field(
        default=None,
        description="Configuration of all scripts, or its path relative to the plan",
    )
    data: Text | None = Field(default=None, description="Data file or folder of the scripts")
    out: Annotated[Text, AfterValidator(folder_below)] = Field(
        default=".", description="Folder to write to, relative to the plan and below its folder"
    )
    exceptions: list[PlanException] = Field(
        default=[], description="Changes to the configuration of some scripts"
    )
    exclude: list[Match] = Field(default=[], description="Combinations to leave out")


@dataclass(frozen=True)
class PlanFile:
    """A plan, its file, and the configuration that its scripts share."""

    path: Path
    file: ConfigFile
    plan: Plan
    base: ConfigFile
    sha256: str
    notes: tuple[str, ...]  # on the conversion of the configuration

    @property
    def folder(self) -> Path:
        """Return the folder of the scripts."""
        return self.path.parent / self.plan.out

    def fail(self, problems: Iterable[Problem]) -> ConfigError:
        """Return the error that lists problems, each with its line in the plan."""
        return ConfigError(format_problems(self.file.source, problems, self.file.places))


def read_plan(path: Path) -> PlanFile:
    """Read a plan and its configuration. Raises ConfigError with the problems of both."""
    file = read_config(path)
    plan: Any = validate(file.content, Plan)
    problems = plan if isinstance(plan, list) else []
    problems = [*problems, *config_problems(file.content)]
    messages = [format_problems(file.source, problems, file.places)] if problems else []
    notes: list[str] = []
    try:
        base = base_config(path, file, notes)
    except ConfigError as error:
        messages.append(str(error))
    if messages:
        raise ConfigError("\n".join(messages))
    return PlanFile(path, file, plan, base, digest(path), tuple(notes))


def digest(path: Path) -> str:
    """Return the digest of a file. Raises ConfigError."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"{shown(str(path), 200)}: {error.strerror}") from None


def base_config(path: Path, file: ConfigFile, notes: list[str]) -> ConfigFile:
    """Return the configuration that all scripts of a plan share. Raises ConfigError."""
    config = file.content.get("config") if isinstance(file.content, dict) else None
    if not isinstance(config, str) or not config or "\0" in config:
        return ConfigFile(file.source, config or {}, below(file, ("config",)))
    base, more = load_config(path.parent / config)
    notes += more
    problems = validate(base.content)
    if isinstance(problems, list):
        raise ConfigError(format_problems(base.source, problems, base.places))
    return base._replace(content=base.content or {})


def below(file: ConfigFile, place: Place) -> dict[Place, tuple[int, int]]:
    """Return the places below a place, relative to it."""
    size = len(place)
    places = {at[size:]: mark for at, mark in file.places.items() if at[:size] == place}
    return {(): (1, 1), **places}


def config_problems(content: Any) -> list[Problem]:
    """Return the problems of the configurations inside a plan."""
    if not isinstance(content, dict):
        return []
    configs: dict[Place, Any] = {("config",): content.get("config")}
    exceptions = content.get("exceptions")
    for index, item in enumerate(exceptions if isinstance(exceptions, list) else []):
        if isinstance(item, dict):
            configs["exceptions", index, "config"] = item.get("config")
    problems: list[Problem] = []
    for place, config in configs.items():
        if not isinstance(config, dict):
            continue
        checked = validate(config)
        if isinstance(checked, list):
            problems += [((*place, *rest), message) for rest, message in checked]
        if place != ("config",):
            problems += identity_problems(place, config, seeds="seeds" in content)
    return problems


def identity_problems(place: Place, config: Mapping[str, Any], *, seeds: bool) -> list[Problem]:
    """Return a problem per key of an exception that only the lists of the plan may set."""
    places = [(*place, name) for name in IDENTITY if name in config]
    study = config.get("study")
    if seeds and isinstance(study, dict) and "seed" in study:
        places.append((*place, "study", "seed"))
    message = "an exception cannot change this key; set it in the lists of the plan"
    return [(at, message) for at in places]
