"""Requests: a configuration file and a command line, and whose word was wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any, TypeVar

from hpogen.config import Config, validate
from hpogen.errors import ConfigError, UsageError
from hpogen.families import find_family
from hpogen.yaml_file import (
    MAX_DEPTH,
    ConfigFile,
    Place,
    Problem,
    dotted,
    format_problems,
    read_text,
    shown,
)

Found = TypeVar("Found")


class Request:
    """A configuration file and a command line, whose word counts for more."""

    def __init__(self, file: ConfigFile | None) -> None:
        self.file = file or ConfigFile("command line", {}, {})
        self.content: Any = self.file.content
        self.said: set[Place] = set()
        self.overrides: list[Place] = []  # of --set

    def say(self, *place: str, value: Any) -> None:
        """Take in a value of the command line; None was not said."""
        if value is not None and self.put(*place, value=value):
            self.said.add(place)

    def override(self, assignments: Sequence[str]) -> None:
        """Take in --set KEY=VALUE, KEY dotted, VALUE in YAML. Raises UsageError, ConfigError."""
        for text in assignments:
            key, equals, value = text.partition("=")
            place = tuple(key.split("."))
            if not equals or not all(place) or len(place) > MAX_DEPTH:
                raise UsageError(
                    f"--set {shown(repr(text))}: write KEY=VALUE, such as fixed.epochs=5"
                )
            found = read_text(f"--set {dotted(place)}", value).content
            self.replace_other(place, found)
            if self.put(*place, value=found):
                self.overrides.append(place)

    def replace_other(self, place: Place, value: Any) -> None:
        """Remove the settings of the file that an override replaces.

        A parameter is either fixed or searched, unless it is searched under a condition. The
        arguments of a sampler or pruner belong to its type.
        """
        opposite = {"fixed": "search", "search": "fixed"}
        section, *names = place
        if section in opposite and len(names) == 1:
            other = (opposite[str(section)], *names)
            entry = value if section == "search" else value_at(self.content, other)
            conditional = isinstance(entry, Mapping) and "when" in entry
            if other not in self.overrides and not conditional:
                self.content = without(self.content, other)
        if names == ["type"] and section in DEFAULT_TYPES:
            before = value_at(self.content, place) or DEFAULT_TYPES[str(section)]
            is_own = any(override[0] == section for override in self.overrides)
            if value != before and not is_own:
                self.content = without(self.content, (section,))

    def put(self, *place: str, value: Any) -> bool:
        """Put a value in its place; return False if the file is wrong as a whole."""
        content = self.content = {} if self.content is None else self.content
        if not isinstance(content, dict):
            return False  # which is told when it is validated
        content = self.content = dict(content)
        for step in place[:-1]:
            below = content.get(step)
            content[step] = dict(below) if isinstance(below, dict) else {}
            content = content[step]
        content[place[-1]] = value
        return True

    def choose(self, options: Mapping[str, str]) -> None:
        """Take in NAME=CHOICE pairs: options of the family, or values of its switches."""
        if not options:
            return  # an unknown task is refused later, with its place
        task = self.content.get("task") if isinstance(self.content, dict) else None
        family = find_family(task if isinstance(task, str) else None)
        for name, choice in options.items():
            if name not in family.switches:
                self.say("options", name, value=choice)
                continue
            self.say("fixed", name, value=choice)
            if isinstance(self.content.get("search"), dict):
                rest = {n: entry for n, entry in self.content["search"].items() if n != name}
                self.content["search"] = rest

    def choose_sections(self, wanted: Sequence[str], unwanted: Sequence[str]) -> None:
        """Take in --with and --without. Raises UsageError for a section that is in both."""
        if both := [name for name in wanted if name in unwanted]:
            raise UsageError(f"section {shown(both[0])} is both in --with and in --without")
        said = self.content.get("sections") if isinstance(self.content, dict) else None
        before = said if isinstance(said, list) else []
        if (wanted or unwanted) and isinstance(said, (list, NoneType)):
            rest = [name for name in before if name not in unwanted]
            self.say("sections", value=[*rest, *wanted])
        if "storage" in unwanted and isinstance(self.content, dict):  # its URL asks for it, too
            self.content = without(self.content, ("study", "storage"))

    def fail(self, problems: Sequence[Problem]) -> ConfigError:
        """Return the error that tells all problems, each where its value was said."""
        said = [(place, message) for place, message in problems if place in self.said]
        lines = [f"command line: {dotted(place)}: {message}" for place, message in said]
        rest = []
        for place, message in (problem for problem in problems if problem not in said):
            if override := self.find_override(place):
                where = "" if place == override else f"{dotted(place)}: "
                lines.append(f"--set {dotted(override)}: {where}{message}")
            else:
                rest.append((place, message))
        if rest and self.file.places:
            own = [(self.file.user_place(place), message) for place, message in rest]
            lines.append(format_problems(self.file.source, own, self.file.places))
        else:
            lines += [f"{self.file.source}: {dotted(p)}: {m}" for p, m in rest]
        return ConfigError("\n".join(lines))

    def find_override(self, place: Place) -> Place | None:
        """Return the last --set at, above or below a place, None if there is none."""
        for override in reversed(self.overrides):
            size = min(len(override), len(place))
            if override[:size] == place[:size]:
                return override
        return None

    def about(
        self, key: str, function: Callable[..., Found], *arguments: Any, problems: list[Problem]
    ) -> Found | None:
        """Return what a function makes of a key; what the file says wrong joins the problems."""
        try:
            return function(*arguments)
        except UsageError as error:
            is_override = (key,) in self.overrides and (key,) not in self.said
            if not is_override and ((key,) in self.said or (key,) not in self.file.places):
                raise
            problems.append(((key,), str(error)))
            return None

    def config(self) -> tuple[Config, list[Problem]]:
        """Return the configuration of all that has the right form, and what has not.

        What depends on a value of the wrong form cannot be judged, so that a wrong choice of
        parts ends the matter. Raises ConfigError then.
        """
        found = validate(self.content)
        if not isinstance(found, list):
            return found, []
        rest = self.content
        for place, _ in found:
            rest = without(rest, place[:2] if place[:1] != ("architecture",) else place[:1])
        again = None if {place[0] for place, _ in found if place} & DECIDING else validate(rest)
        if not isinstance(again, Config):
            raise self.fail(found)
        return again, found


DEFAULT_TYPES = {"sampler": "tpe", "pruner": "median"}
# Sections that decide which keys there are elsewhere.
DECIDING = {"task", "options", "fixed"}


def value_at(content: Any, place: Place) -> Any:
    """Return the value at a place, None if there is none."""
    for step in place:
        content = content.get(step) if isinstance(content, Mapping) else None
    return content


def without(content: Any, place: Place) -> Any:
    """Return a mapping without what stands at a place."""
    if not isinstance(content, Mapping) or not place or place[0] not in content:
        return content
    rest = {key: value for key, value in content.items() if key != place[0]}
    if len(place) > 1 and isinstance(content[place[0]], Mapping):
        rest[str(place[0])] = without(content[place[0]], place[1:])
    return rest
