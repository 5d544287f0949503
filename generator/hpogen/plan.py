"""Plans: a matrix of scripts as its user writes it."""

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

from hpogen.budget import format_budget
from hpogen.config import Budget, Horizon, Task, Text, validate
from hpogen.errors import ConfigError
from hpogen.load import load_config
from hpogen.samplers import Strict
from hpogen.yaml_file import ConfigFile, Place, Problem, format_problems, read_config, shown

# What an exception may not say of a script: it is what exceptions find the script by.
IDENTITY = ("task", "budget", "horizon")


def folder_below(text: str) -> str:
    """Return a relative path as it is. Raises ValueError if it may lead elsewhere."""
    path = PurePosixPath(text.replace("\\", "/"))
    if path.is_absolute() or PureWindowsPath(text).drive or ".." in path.parts:
        raise ValueError("give a folder below the plan's own, without .. and not absolute")
    return text


def path_or_mapping(value: object) -> str | dict[str, Any]:
    """Return the configuration in a plan, unchanged. Raises ValueError."""
    if isinstance(value, dict) or (isinstance(value, str) and value and "\0" not in value):
        return value
    raise ValueError("give the path of a configuration, or the configuration itself")


def distinct(show: Callable[[Any], str]) -> AfterValidator:
    """Return a validator that refuses a list in which a value is given twice."""

    def check(values: list[Any]) -> list[Any]:
        """Return a list as it is. Raises ValueError."""
        twice = next((value for i, value in enumerate(values) if value in values[:i]), None)
        if twice is not None:
            raise ValueError(f"{shown(show(twice))} is given twice")
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
    """Which scripts are meant: those that are all of this."""

    budget: Budget | None = Field(default=None, description="Number of parameters")
    horizon: Horizon | None = Field(default=None, description="Trading days ahead")
    task: Task | None = Field(default=None, description="What is predicted")
    seed: Seed | None = Field(default=None, description="One of the plan's seeds")

    @model_validator(mode="after")
    def says_something(self) -> Match:
        """Refuse a match that would find every script."""
        if not self.said():
            raise ValueError("say budget, horizon, task or seed")
        return self

    def said(self) -> dict[str, Any]:
        """Return what is looked for."""
        return {name: value for name, value in self if value is not None}


class PlanException(Strict):
    """What is different in some scripts."""

    match: Match = Field(description="Which scripts")
    config: dict[str, Any] = Field(description="Laid over the configuration, section by section")


class Plan(Strict):
    """What a user says of a matrix of scripts: every combination of the lists is one script."""

    budgets: Annotated[list[Budget], AtLeastOne, distinct(format_budget)] = Field(
        description="Numbers of parameters: 350K, 2M"
    )
    horizons: Annotated[list[Horizon], AtLeastOne, distinct(str)] | None = Field(
        default=None, description="Trading days ahead; for tasks that have a horizon"
    )
    tasks: Annotated[list[Task], AtLeastOne, distinct(str)] | None = Field(
        default=None, description="What is predicted; default: the task of the configuration"
    )
    seeds: Annotated[list[Seed], AtLeastOne, distinct(str)] | None = Field(
        default=None, description="Seeds; with two or more, names end in _s and the seed"
    )
    config: Configuration | None = Field(
        default=None, description="A configuration, or the path of one, from the plan's folder"
    )
    data: Text | None = Field(default=None, description="Data file or folder the scripts read")
    out: Annotated[Text, AfterValidator(folder_below)] = Field(
        default=".", description="Folder of the scripts, below the plan's own"
    )
    exceptions: list[PlanException] = Field(default=[], description="What is different in some")
    exclude: list[Match] = Field(default=[], description="Scripts that are left out")


@dataclass(frozen=True)
class PlanFile:
    """A plan, where it was read, and the configuration it builds upon."""

    path: Path
    file: ConfigFile
    plan: Plan
    base: ConfigFile
    sha256: str
    notes: tuple[str, ...]  # worth telling of the configuration

    @property
    def folder(self) -> Path:
        """Return the folder of the scripts."""
        return self.path.parent / self.plan.out

    def fail(self, problems: Iterable[Problem]) -> ConfigError:
        """Return the error that tells all problems, each with its line."""
        return ConfigError(format_problems(self.file.source, problems, self.file.places))


def read_plan(path: Path) -> PlanFile:
    """Read a plan and its configuration. Raises ConfigError with all that is wrong."""
    file = read_config(path)
    found: Any = validate(file.content, Plan)
    problems = found if isinstance(found, list) else []
    problems = [*problems, *config_problems(file.content)]
    told = [format_problems(file.source, problems, file.places)] if problems else []
    notes: list[str] = []
    try:
        base = base_config(path, file, notes)
    except ConfigError as error:
        told.append(str(error))
    if told:
        raise ConfigError("\n".join(told))
    return PlanFile(path, file, found, base, digest(path), tuple(notes))


def digest(path: Path) -> str:
    """Return the digest of a file. Raises ConfigError."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"{shown(str(path), 200)}: {error.strerror}") from None


def base_config(path: Path, file: ConfigFile, notes: list[str]) -> ConfigFile:
    """Return the configuration all scripts of a plan share. Raises ConfigError."""
    said = file.content.get("config") if isinstance(file.content, dict) else None
    if not isinstance(said, str) or not said or "\0" in said:
        return ConfigFile(file.source, said or {}, below(file, ("config",)))
    found, more = load_config(path.parent / said)
    notes += more
    problems = validate(found.content)
    if isinstance(problems, list):
        raise ConfigError(format_problems(found.source, problems, found.places))
    return found._replace(content=found.content or {})


def below(file: ConfigFile, place: Place) -> dict[Place, tuple[int, int]]:
    """Return the places of what stands below one, told from there."""
    size = len(place)
    found = {at[size:]: spot for at, spot in file.places.items() if at[:size] == place}
    return {(): (1, 1), **found}


def config_problems(content: Any) -> list[Problem]:
    """Return the faults in the configurations inside a plan."""
    if not isinstance(content, dict):
        return []
    listed = content.get("exceptions")
    exceptions = dict(enumerate(listed if isinstance(listed, list) else []))
    inside: dict[Place, Any] = {("config",): content.get("config")} | {
        ("exceptions", index, "config"): item.get("config")
        for index, item in exceptions.items()
        if isinstance(item, dict)
    }
    problems: list[Problem] = []
    for place, config in inside.items():
        found = validate(config) if isinstance(config, dict) else None
        if isinstance(found, list):
            problems += [((*place, *where), message) for where, message in found]
        if place != ("config",) and isinstance(config, dict):
            problems += identity_problems(place, config, seeds="seeds" in content)
    return problems


def identity_problems(place: Place, config: Mapping[str, Any], *, seeds: bool) -> list[Problem]:
    """Return what an exception says that is for the plan to say."""
    found = [(*place, name) for name in IDENTITY if name in config]
    study = config.get("study")
    if seeds and isinstance(study, dict) and "seed" in study:
        found.append((*place, "study", "seed"))
    return [
        (at, "an exception cannot change this; say it in the plan's own lists") for at in found
    ]
