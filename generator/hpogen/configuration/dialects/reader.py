"""Reader of a file in a dialect: each key is moved, noted or refused, and none is lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hpogen.configuration.aliases import did_you_mean
from hpogen.configuration.dialects.names import HINTS
from hpogen.configuration.yaml_file import Place, Problem, dotted

MISSING = object()


@dataclass(frozen=True)
class Converted:
    """A file in hpogen's schema, and the place of each value in the user's file.

    `problems` have places of the user's file; `notes` are about keys with another effect or none.
    """

    dialect: str
    content: dict[str, Any]
    origin: dict[Place, Place]
    problems: list[Problem]
    notes: list[str]

    def user_place(self, native: Place) -> Place:
        """Return the place in the user's file of a place in hpogen's schema."""
        above = native
        while above not in self.origin:
            above = above[:-1]
        return (*self.origin[above], *native[len(above) :])


class Reader:
    """Converts the values of a file to hpogen's schema, and records which keys were read.

    A `place` is in the user's file, a `native` place in hpogen's schema. `task` is the task of the
    command line, which replaces the task of the file.
    """

    def __init__(self, dialect: str, source: Mapping[str, Any], task: str | None = None) -> None:
        self.dialect, self.source, self.task = dialect, source, task
        self.content: dict[str, Any] = {}
        self.origin: dict[Place, Place] = {(): ()}  # {native place: place}
        self.put_from: dict[Place, Place] = {}  # as origin, of the values given to `put`
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.opened: set[Place] = {()}  # mappings of which each key must be read
        self.taken: set[Place] = set()  # values that are read, with everything in them
        self.offered: dict[Place, dict[str, None]] = {}  # valid keys of mappings, for hints

    def find(self, place: Place) -> Any:
        """Return the user's value at a place, MISSING if there is none."""
        value: Any = self.source
        for part in place:
            if isinstance(value, Mapping):
                value = value.get(part, MISSING)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return MISSING
        return value

    def get(self, place: Place) -> Any:
        """Return the user's value at a place, None if there is none."""
        value = self.find(place)
        return None if value is MISSING else value

    def has(self, place: Place) -> bool:
        """Return whether a valid key is in the file; remember it as valid for hints."""
        self.offer(place[:-1], [str(place[-1])])
        return self.find(place) is not MISSING

    def offer(self, place: Place, names: Iterable[str]) -> None:
        """Add valid keys of a mapping, for hints about unknown ones."""
        self.offered.setdefault(place, {}).update(dict.fromkeys(names))

    def take(self, place: Place) -> Any:
        """Return a value, and mark it and everything in it as read."""
        self.taken.add(place)
        return self.get(place)

    def keys(self, place: Place) -> list[str]:
        """Return the unread keys of a mapping; `finish` refuses those that stay unread."""
        value = self.get(place)
        if value is None:
            self.taken.add(place)
        elif isinstance(value, Mapping):
            self.opened.add(place)
            return [key for key in value if (*place, key) not in self.taken]
        elif place not in self.taken:
            self.refuse(place, "write a mapping, KEY: VALUE")
        return []

    def put(self, native: Place, value: Any, origin: Place) -> None:
        """Set a value in hpogen's schema; a second value of the same place is a problem."""
        if native in self.put_from:
            other = dotted(self.put_from[native])
            self.refuse(origin, f"has the same meaning as {other}; remove one of the two")
            return
        self.put_from[native] = origin
        node = self.content
        for depth, part in enumerate(native[:-1], 1):
            node = node.setdefault(str(part), {})
            above = origin[: max(0, len(origin) - len(native) + depth)]
            self.origin.setdefault(native[:depth], above)
        node[str(native[-1])] = value
        self.trace(native, value, origin)

    def trace(self, native: Place, value: Any, origin: Place) -> None:
        """Record the origin of a value and of everything in it."""
        self.origin[native] = origin
        for key, item in children(value):
            below = (*origin, key)
            self.trace((*native, key), item, origin if self.find(below) is MISSING else below)

    def move(self, place: Place, native: Place) -> None:
        """Set the user's value in hpogen's schema, unless it is null."""
        value = self.take(place)
        if value is not None:
            self.put(native, value, place)

    def refuse(self, place: Place, message: str) -> None:
        """Add a problem, and mark the value as read."""
        self.taken.add(place)
        self.problems.append((place, message))

    def note(self, place: Place, text: str) -> None:
        """Add a note about a value."""
        self.notes.append(f"{dotted(place)}: {text}")

    def unread(self, value: Any, place: Place) -> Iterator[Place]:
        """Yield the places of keys that no rule read."""
        if place in self.taken:
            return
        if place in self.opened and isinstance(value, Mapping):
            for key, item in value.items():
                yield from self.unread(item, (*place, key))
        else:
            yield place

    def finish(self, misplaced: Mapping[str, str]) -> Converted:
        """Return the conversion; keys that no rule read are problems.

        `misplaced` has hints for keys at the top of the file.
        """
        for place in list(self.unread(self.source, ())):
            name = str(place[-1])
            hint = (
                (misplaced.get(name) if len(place) == 1 else None)
                or HINTS.get(name)
                or HINTS.get(name.rpartition(".")[2])
                or did_you_mean(name, self.offered.get(place[:-1], {}))
            )
            self.refuse(place, f"unknown key in the dialect {self.dialect}; {hint}")
        notes = list(dict.fromkeys(self.notes))
        return Converted(self.dialect, self.content, self.origin, self.problems, notes)


def children(value: Any) -> Iterator[tuple[str | int, Any]]:
    """Yield (key or index, item) of a mapping or list."""
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)
