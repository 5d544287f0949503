"""Settings: a configuration file whose values flags and --set replace.

Each value keeps its source, so that an error names the flag or the line of the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

from hpogen.configuration.validation import validate
from hpogen.configuration.yaml_file import (
    MAX_DEPTH,
    ConfigFile,
    Place,
    Problem,
    dotted,
    format_problems,
    read_text,
    shown,
)
from hpogen.configuration.yaml_keys import Config
from hpogen.errors import ConfigError, UsageError
from hpogen.families import find_family

DEFAULT_TYPES = {"sampler": "tpe", "pruner": "median"}
# Groups whose values determine the valid keys of other groups.
DECIDING = {"task", "options", "fixed"}


class Settings:
    """The values of a configuration file and of a command line; the command line wins."""

    def __init__(self, file: ConfigFile | None) -> None:
        self.file = file or ConfigFile("command line", {}, {})
        self.content: Any = self.file.content
        self.flags: dict[Place, str] = {}  # the flag that set the value at a place
        self.overrides: list[Place] = []  # the places of values set by --set

    def set_flag(self, flag: str, *place: str, value: Any) -> None:
        """Set the value of a command-line flag; None means that the flag was not given."""
        if value is not None and self.put(*place, value=value):
            self.flags[place] = flag

    def override(self, assignments: Sequence[str]) -> None:
        """Set KEY=VALUE of --set, KEY dotted, VALUE in YAML. Raises UsageError, ConfigError."""
        for text in assignments:
            key, equals, value = text.partition("=")
            place = tuple(key.split("."))
            if not equals or not all(place) or len(place) > MAX_DEPTH:
                raise UsageError(
                    f"--set {shown(repr(text))}: write KEY=VALUE, such as fixed.epochs=5"
                )
            parsed = read_text(f"--set {dotted(place)}", value).content
            self.replace_other(place, parsed)
            if self.put(*place, value=parsed):
                self.overrides.append(place)

    def replace_other(self, place: Place, value: Any) -> None:
        """Remove the settings of the file that an override replaces.

        A parameter is either fixed or searched; it is both only if its search has a condition. A
        new type of sampler or pruner removes the arguments of the old type.
        """
        opposite = {"fixed": "search", "search": "fixed"}
        group, *names = place
        if group in opposite and len(names) == 1:
            other = (opposite[str(group)], *names)
            entry = value if group == "search" else value_at(self.content, other)
            conditional = isinstance(entry, Mapping) and "when" in entry
            if other not in self.overrides and not conditional:
                self.content = without(self.content, other)
        if names == ["type"] and group in DEFAULT_TYPES:
            old_type = value_at(self.content, place) or DEFAULT_TYPES[str(group)]
            set_before = any(override[0] == group for override in self.overrides)
            if value != old_type and not set_before:
                self.content = without(self.content, (group,))

    def put(self, *place: str, value: Any) -> bool:
        """Put a value in its place; return False if the file does not hold a mapping."""
        content = self.content = {} if self.content is None else self.content
        if not isinstance(content, dict):
            return False  # `validate` reports the problem
        content = self.content = dict(content)
        for step in place[:-1]:
            below = content.get(step)
            content[step] = dict(below) if isinstance(below, dict) else {}
            content = content[step]
        content[place[-1]] = value
        return True

    def complete_searches(self) -> None:
        """Give a search of which --set has some keys, and the file none, the others by default."""
        for group, name, *_ in (place for place in self.overrides if len(place) > 2):
            entry = value_at(self.content, (group, name))
            if group != "search" or not isinstance(entry, Mapping) or "type" in entry:
                continue
            task = value_at(self.content, ("task",))
            family = find_family(task if isinstance(task, str) else None)
            if family.variant and value_at(self.content, ("model", family.variant.constant)):
                family = family.variant.family
            default = next((param.default for param in family.params if param.name == name), None)
            if isinstance(default, Mapping):
                self.put("search", str(name), value={**default, **entry})

    def choose(self, options: Mapping[str, str]) -> None:
        """Set NAME=CHOICE pairs: options of the family, or values of its switches."""
        if not options:
            return
        task = value_at(self.content, ("task",))
        family = find_family(task if isinstance(task, str) else None)
        for name, choice in options.items():
            if name not in family.switches:
                self.set_flag(f"--option {shown(name, 40)}", "options", name, value=choice)
                continue
            self.set_flag(f"--option {shown(name, 40)}", "fixed", name, value=choice)
            self.content = without(self.content, ("search", name))

    def choose_sections(self, wanted: Sequence[str], unwanted: Sequence[str]) -> None:
        """Add --with and remove --without. Raises UsageError for a section that is in both."""
        if both := [name for name in wanted if name in unwanted]:
            raise UsageError(
                f"section {shown(both[0])} is in both --with and --without; leave one out"
            )
        listed = value_at(self.content, ("sections",))
        if (wanted or unwanted) and isinstance(listed, (list, NoneType)):
            rest = [name for name in listed or [] if name not in unwanted]
            self.set_flag("--with", "sections", value=[*rest, *wanted])
        if "storage" in unwanted:  # a URL also adds the section
            self.content = without(self.content, ("study", "storage"))

    def validate(self) -> tuple[Config, list[Problem]]:
        """Return the valid part of the configuration, and the problems of the rest.

        Raises ConfigError if an invalid value determines which other keys are valid.
        """
        checked = validate(self.content)
        if not isinstance(checked, list):
            return checked, []
        rest = self.content
        for place, _ in checked:
            rest = without(rest, place[:1] if place[:1] == ("architecture",) else place[:2])
        again = None if {place[0] for place, _ in checked if place} & DECIDING else validate(rest)
        if not isinstance(again, Config):
            raise self.error(checked)
        return again, checked

    def error(self, problems: Sequence[Problem]) -> ConfigError:
        """Return an error that lists all problems, each with the source of its value."""
        lines, rest = [], []
        for place, message in problems:
            if flag := self.flags.get(place):
                lines.append(f"{flag}: {message}")
            elif override := self.find_override(place):
                where = "" if place == override else f"{dotted(place)}: "
                lines.append(f"--set {dotted(override)}: {where}{message}")
            else:
                rest.append((place, message))
        if rest and self.file.places:
            own = [(self.file.user_place(place), message) for place, message in rest]
            lines.append(format_problems(self.file.source, own, self.file.places))
        else:
            lines += [f"{self.file.source}: {dotted(p)}: {m}" for p, m in rest]
        return ConfigError("\n".join(dict.fromkeys(lines)))

    def find_override(self, place: Place) -> Place | None:
        """Return the last --set at, above or below a place; None if there is no such --set."""
        for override in reversed(self.overrides):
            size = min(len(override), len(place))
            if override[:size] == place[:size]:
                return override
        return None


def value_at(content: Any, place: Place) -> Any:
    """Return the value at a place; None if the place has no value."""
    for step in place:
        content = content.get(step) if isinstance(content, Mapping) else None
    return content


def without(content: Any, place: Place) -> Any:
    """Return a mapping without the value at a place."""
    if not isinstance(content, Mapping) or not place or place[0] not in content:
        return content
    rest = {key: value for key, value in content.items() if key != place[0]}
    if len(place) > 1 and isinstance(content[place[0]], Mapping):
        rest[str(place[0])] = without(content[place[0]], place[1:])
    return rest
