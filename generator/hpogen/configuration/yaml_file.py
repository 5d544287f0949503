"""YAML files: their content, the place of every value, and limits on size and depth."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from yaml.constructor import ConstructorError

from hpogen.errors import ConfigError

Place = tuple[str | int, ...]
Problem = tuple[Place, str]
Places = Mapping[Place, tuple[int, int]]

MAX_BYTES = 1_000_000
MAX_VALUES = 20_000  # an alias counts at each use
MAX_DEPTH = 20
MAX_TEXT = 4_096
MAX_NUMBER = 10**30
KINDS = ("str", "int", "float", "bool", "null", "map", "seq", "merge")
TAGS = {f"tag:yaml.org,2002:{kind}": kind for kind in KINDS}


def same_place(place: Place) -> Place:
    """Return a place unchanged."""
    return place


class ConfigFile(NamedTuple):
    """A file: its name in messages, its content, and (line, column) of keys and items.

    If the content was converted, `user_place` returns the place in the file of a place in it.
    """

    source: str
    content: Any
    places: Places
    user_place: Callable[[Place], Place] = same_place


TOO_MANY = f"more than {MAX_VALUES:,} values, where an alias counts at each use; write fewer"


class Loader(yaml.SafeLoader):
    """A loader that reads 1e-5 as a number and 2010-01-01 as text, unlike YAML 1.1."""

    yaml_implicit_resolvers = {  # noqa: RUF012  as PyYAML declares it
        first: [item for item in items if item[0] != "tag:yaml.org,2002:timestamp"]
        for first, items in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.n_nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Return the next node; raises ConstructorError early in a file that is too large."""
        self.n_nodes += 1
        if self.n_nodes > 2 * MAX_VALUES + 1:  # keys and values
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise ConstructorError(None, None, TOO_MANY, mark)
        return super().compose_node(parent, index)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the value of a node; raises ConstructorError for infinite and huge numbers."""
        try:
            value = super().construct_object(node, deep)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            name = TAGS.get(node.tag, node.tag)
            raise ConstructorError(
                None, None, f"not a value of !!{name}", node.start_mark
            ) from None
        if isinstance(value, (int, float)) and not abs(value) < MAX_NUMBER:
            message = f"{shown(str(node.value), 40)}: write a number below 1e30"
            raise ConstructorError(None, None, message, node.start_mark)
        return value


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*)(\.\d*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)


def shown(value: object, most: int = 60) -> str:
    """Return a value for a message, with control characters escaped and cut after `most`."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(c if is_plain(c) else ascii(c)[1:-1] for c in text[: most + 1])
    return text if len(text) <= most else f"{text[:most]}…"


def is_plain(character: str) -> bool:
    """Return whether a character is visible, or a space."""
    return character == " " or unicodedata.category(character)[0] not in "CZ"


def plain_text(text: str) -> str:
    """Return a text unchanged. Raises ValueError if it holds an invisible character."""
    hidden = [c for c in text if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029"]
    if hidden:
        raise ValueError(f"holds the invisible character U+{ord(hidden[0]):04X}; remove it")
    return text


def read_config(path: Path) -> ConfigFile:
    """Read a YAML file. Raises ConfigError."""
    source = shown(str(path), 200)
    try:
        content = path.read_bytes()
        if len(content) > MAX_BYTES:
            raise ConfigError(f"{source}: {len(content):,} bytes, more than {MAX_BYTES:,}")
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"{source}: {getattr(error, 'strerror', None) or error}") from None
    return read_text(source, text)


def read_text(source: str, text: str) -> ConfigFile:
    """Read a YAML text; `source` is its name in messages. Raises ConfigError."""
    try:
        return parse(source, text)
    except RecursionError:
        raise ConfigError(
            f"{source}: nested more than {MAX_DEPTH} levels deep, or an alias contains itself"
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        message = str(error.problem)
        if message.startswith("but ") and error.context:
            message = f"{error.context}, {message}"
        if error.context in ("while scanning an alias", "while scanning an anchor"):
            message = 'a text that begins with * or & needs quotes, such as "*.txt"'
        raise ConfigError(f"{source}{where}: {shown(message, 200)}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise ConfigError(
            f"{source}:{line}:{column}: character U+{ord(text[error.position]):04X} is not allowed"
            " in YAML; write it as an escape in double quotes"
        ) from None


def parse(source: str, text: str) -> ConfigFile:
    """Return the content of a YAML text and the place of each value."""
    loader = Loader(text)
    try:
        node = loader.get_single_node()
        walk = Walk(source)
        walk.visit(node, ())
        if walk.problems:
            raise ConfigError(format_problems(source, walk.problems, walk.places))
        content = loader.construct_document(node) if node is not None else None
    finally:
        loader.dispose()
    return ConfigFile(source, content, walk.places)


class Walk:
    """A walk over the nodes of a file: places, and problems that stop its construction."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.places: dict[Place, tuple[int, int]] = {(): (1, 1)}
        self.problems: list[Problem] = []
        self.count = 0

    def visit(self, node: yaml.Node | None, place: Place) -> None:
        """Add a node and all nodes below it."""
        if len(place) > MAX_DEPTH:
            raise RecursionError
        if isinstance(node, yaml.ScalarNode) and len(node.value) > MAX_TEXT:
            message = f"{len(node.value):,} characters, more than {MAX_TEXT:,}"
            message = message if place else "no YAML configuration, but text; write KEY: VALUE"
            self.problems.append((place, message))
        if node is not None and node.tag not in TAGS:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self.problems.append((place, f"unknown tag {shown(tag)}; leave it out"))
        for name, at, child in children(node):
            self.count += 1
            if self.count > MAX_VALUES:
                raise ConstructorError(None, None, TOO_MANY, at.start_mark)
            here = (*place, name)
            if here in self.places:
                self.problems.append((here, "duplicate key; remove one of the two"))
            self.places[here] = (at.start_mark.line + 1, at.start_mark.column + 1)
            if isinstance(name, str) and at.tag.rpartition(":")[2] not in ("str", "merge"):
                self.problems.append((here, "a key must be text; write it in quotes"))
            self.visit(child, here)


def children(node: yaml.Node | None) -> Iterable[tuple[str | int, yaml.Node, yaml.Node]]:
    """Yield (key or index, the node that gives the place, the value) of a mapping or list."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else shown(key.tag)
            yield name, key, value
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield index, item, item


def dotted(place: Place) -> str:
    """Return a place as messages show it, such as study.n_trials; the top is "file"."""
    return ".".join(shown(str(part), 40) for part in place) or "file"


def format_problems(source: str, problems: Iterable[Problem], places: Places) -> str:
    """Return one line per problem: file, line and column, dotted place, message."""
    lines = []
    for place, message in problems:
        marked = place  # or the nearest place above it that is in the file
        while marked not in places and marked:
            marked = marked[:-1]
        line, column = places.get(marked, (1, 1))
        lines.append((line, column, f"{source}:{line}:{column}: {dotted(place)}: {message}"))
    return "\n".join(dict.fromkeys(text for _, _, text in sorted(lines)))
