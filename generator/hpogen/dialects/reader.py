"""A walk over a user's mapping that loses nothing: each key is moved, noted or refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hpogen.aliases import did_you_mean
from hpogen.dialects.names import WAYS_OUT
from hpogen.yaml_file import Place, Problem, shown

MISSING = object()


@dataclass(frozen=True)
class Converted:
    """A file in hpogen's schema, and where in the user's file each of its values stands.

    `problems` are refusals with places of the user's file; `notes` say what has another effect
    here, or none.
    """

    dialect: str
    content: dict[str, Any]
    origin: dict[Place, Place]
    problems: list[Problem]
    notes: list[str]

    def user_place(self, native: Place) -> Place:
        """Return where in the user's file stands what hpogen's schema has at a place."""
        known = native
        while known not in self.origin:
            known = known[:-1]
        return (*self.origin[known], *native[len(known) :])


def dotted(place: Place) -> str:
    """Return a place as messages show it."""
    return ".".join(shown(str(part), 40) for part in place)


class Reader:
    """Moves what a user says into hpogen's schema, and keeps account of every key."""

    def __init__(self, dialect: str, source: Mapping[str, Any]) -> None:
        self.dialect, self.source = dialect, source
        self.content: dict[str, Any] = {}
        self.origin: dict[Place, Place] = {(): ()}
        self.said: dict[Place, Place] = {}  # as origin, of what was put itself
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.opened: set[Place] = {()}  # mappings whose keys are accounted for one by one
        self.taken: set[Place] = set()  # values that are done with, and all in them
        self.asked: dict[Place, dict[str, None]] = {}  # what a mapping may have, for hints

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
        """Tell whether the user says anything at a place that a file of the dialect may have."""
        self.offer(place[:-1], [str(place[-1])])
        return self.find(place) is not MISSING

    def offer(self, place: Place, names: Iterable[str]) -> None:
        """Name keys that a mapping may have, to be suggested instead of an unknown one."""
        self.asked.setdefault(place, {}).update(dict.fromkeys(names))

    def take(self, place: Place) -> Any:
        """Return a value; it is done with, and all in it."""
        self.taken.add(place)
        return self.get(place)

    def keys(self, place: Place) -> list[str]:
        """Return the keys of a mapping that are not done with; each must be from now on."""
        value = self.get(place)
        if value is None:
            self.taken.add(place)
        elif isinstance(value, Mapping):
            self.opened.add(place)
            return [key for key in value if (*place, key) not in self.taken]
        elif place not in self.taken:
            self.refuse(place, "a mapping of names to values is expected")
        return []

    def put(self, native: Place, value: Any, origin: Place) -> None:
        """Say something in hpogen's schema; twice the same place is refused."""
        if native in self.said:
            other = dotted(self.said[native])
            self.refuse(origin, f"{other} says the same thing; leave one of the two")
            return
        self.said[native] = origin
        node = self.content
        for depth, part in enumerate(native[:-1], 1):
            node = node.setdefault(str(part), {})
            above = origin[: max(0, len(origin) - len(native) + depth)]
            self.origin.setdefault(native[:depth], above)
        node[str(native[-1])] = value
        self.trace(native, value, origin)

    def trace(self, native: Place, value: Any, origin: Place) -> None:
        """Keep where a value, and all in it, stands in the user's file."""
        self.origin[native] = origin
        for key, item in children(value):
            below = (*origin, key)
            there = below if self.find(below) is not MISSING else origin
            self.trace((*native, key), item, there)

    def move(self, place: Place, native: Place) -> None:
        """Say the user's value in hpogen's schema; null says nothing and is left out."""
        value = self.take(place)
        if value is not None:
            self.put(native, value, place)

    def refuse(self, place: Place, message: str) -> None:
        """Keep a problem; the value is done with."""
        self.taken.add(place)
        self.problems.append((place, message))

    def note(self, place: Place, text: str) -> None:
        """Keep what the user should know of a value."""
        self.notes.append(f"{dotted(place)}: {text}")

    def unread(self, value: Any, place: Place) -> Iterator[Place]:
        """Yield the keys that nobody took."""
        if place in self.opened and isinstance(value, Mapping):
            for key, item in value.items():
                yield from self.unread(item, (*place, key))
        elif place not in self.taken:
            yield place

    def finish(self, misplaced: Mapping[str, str]) -> Converted:
        """Return the conversion; keys that nobody took are refused.

        `misplaced` has hints for keys at the top.
        """
        for place in list(self.unread(self.source, ())):
            name = str(place[-1])
            hint = (
                (misplaced.get(name) if len(place) == 1 else None)
                or WAYS_OUT.get(name)
                or WAYS_OUT.get(name.rpartition(".")[2])
                or did_you_mean(name, self.asked.get(place[:-1], {}))
            )
            self.refuse(place, f"unsupported key of the {self.dialect} dialect; {hint}")
        notes = list(dict.fromkeys(self.notes))
        return Converted(self.dialect, self.content, self.origin, self.problems, notes)


def children(value: Any) -> Iterator[tuple[str | int, Any]]:
    """Yield (key or index, item) of a mapping or list."""
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)
