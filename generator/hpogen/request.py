"""Requests: a configuration file and a command line, and whose word was wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any, TypeVar

from hpogen.config import Config, validate
from hpogen.errors import ConfigError, UsageError
from hpogen.families import find_family
from hpogen.yaml_file import ConfigFile, Place, Problem, dotted, format_problems, shown

Found = TypeVar("Found")


class Request:
    """A configuration file and a command line, whose word counts for more."""

    def __init__(self, file: ConfigFile | None) -> None:
        self.file = file or ConfigFile("command line", {}, {})
        self.content: Any = self.file.content
        self.said: set[Place] = set()

    def say(self, *place: str, value: Any) -> None:
        """Take in a value of the command line; None was not said."""
        if value is None:
            return
        content = self.content = {} if self.content is None else self.content
        if not isinstance(content, dict):
            return  # the file is wrong as a whole, which is told when it is validated
        content = self.content = dict(content)
        for step in place[:-1]:
            below = content.get(step)
            content[step] = dict(below) if isinstance(below, dict) else {}
            content = content[step]
        content[place[-1]] = value
        self.said.add(place)

    def choose(self, options: Mapping[str, str]) -> None:
        """Take in NAME=CHOICE pairs: options of the family, or values of its switches."""
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
        rest = [problem for problem in problems if problem not in said]
        lines = [f"command line: {dotted(place)}: {message}" for place, message in said]
        if rest and self.file.places:
            own = [(self.file.user_place(place), message) for place, message in rest]
            lines.append(format_problems(self.file.source, own, self.file.places))
        else:
            lines += [f"{self.file.source}: {dotted(p)}: {m}" for p, m in rest]
        return ConfigError("\n".join(lines))

    def about(
        self, key: str, function: Callable[..., Found], *arguments: Any, problems: list[Problem]
    ) -> Found | None:
        """Return what a function makes of a key; what the file says wrong joins the problems."""
        try:
            return function(*arguments)
        except UsageError as error:
            if (key,) in self.said or (key,) not in self.file.places:
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


# Sections that decide which keys there are elsewhere.
DECIDING = {"task", "options", "fixed"}


def without(content: Any, place: Place) -> Any:
    """Return a mapping without what stands at a place."""
    if not isinstance(content, Mapping) or not place or place[0] not in content:
        return content
    rest = {key: value for key, value in content.items() if key != place[0]}
    if len(place) > 1 and isinstance(content[place[0]], Mapping):
        rest[str(place[0])] = without(content[place[0]], place[1:])
    return rest
