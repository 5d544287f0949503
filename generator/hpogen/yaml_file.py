"""YAML files: content with the place of every value; what would take forever is refused."""

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
MAX_VALUES = 20_000  # aliases counted as often as they are used
MAX_DEPTH = 20
MAX_TEXT = 4_096
MAX_NUMBER = 10**30
KINDS = ("str", "int", "float", "bool", "null", "map", "seq", "merge")
TAGS = {f"tag:yaml.org,2002:{kind}": kind for kind in KINDS}


def same_place(place: Place) -> Place:
    """Return a place as it is."""
    return place


class ConfigFile(NamedTuple):
    """What a file holds: its name in messages, its content, (line, column) of keys and items.

    Where the content was converted, `user_place` leads from its places to those of the file.
    """

    source: str
    content: Any
    places: Places
    user_place: Callable[[Place], Place] = same_place


TOO_MANY = f"more than {MAX_VALUES:,} values, aliases counted as often as they are used"


class Loader(yaml.SafeLoader):
    """YAML in which 1e-5 is a number and 2010-01-01 a text, as everybody who writes them means."""

    yaml_implicit_resolvers = {  # noqa: RUF012  as PyYAML declares it
        first: [item for item in items if item[0] != "tag:yaml.org,2002:timestamp"]
        for first, items in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.n_nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Return the next node; long before a large file is read, it is known to be too large."""
        self.n_nodes += 1
        if self.n_nodes > 2 * MAX_VALUES + 1:  # keys and values
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise ConstructorError(None, None, TOO_MANY, mark)
        return super().compose_node(parent, index)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the value of a node; a number that is none, or of no use, is refused."""
        try:
            found = super().construct_object(node, deep)
        except (ArithmeticError, LookupError, TypeError, ValueError):
            name = TAGS.get(node.tag, node.tag)
            raise ConstructorError(
                None, None, f"not a value of !!{name}", node.start_mark
            ) from None
        if isinstance(found, (int, float)) and not abs(found) < MAX_NUMBER:
            message = f"{shown(str(node.value), 40)} is not a number below 1e30"
            raise ConstructorError(None, None, message, node.start_mark)
        return found


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*)(\.\d*)?[eE][-+]?\d+$"),
    list("-+0123456789"),
)


def shown(value: object, most: int = 60) -> str:
    """Return a value for a message: no control or bidirectional characters, cut when long."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(c if is_plain(c) else ascii(c)[1:-1] for c in text[: most + 1])
    return text if len(text) <= most else f"{text[:most]}…"


def is_plain(character: str) -> bool:
    """Tell whether a character can be shown as it is."""
    return character == " " or unicodedata.category(character)[0] not in "CZ"


def plain_text(text: str) -> str:
    """Return a text as it is. Raises ValueError if it holds an invisible character."""
    hidden = [c for c in text if unicodedata.category(c)[0] == "C" or c in "\u2028\u2029"]
    if hidden:
        raise ValueError(f"holds the invisible character U+{ord(hidden[0]):04X}")
    return text


def read_config(path: Path) -> ConfigFile:
    """Read a YAML file. Raises ConfigError."""
    source = shown(str(path), 200)
    try:
        content = path.read_bytes()
        if len(content) > MAX_BYTES:
            raise ConfigError(f"{source}: {len(content):,} bytes; at most {MAX_BYTES:,} are read")
        text = content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"{source}: {getattr(error, 'strerror', None) or error}") from None
    return read_text(source, text)


def read_text(source: str, text: str) -> ConfigFile:
    """Read a YAML text; `source` is its name in messages. Raises ConfigError."""
    try:
        return parse(source, text)
    except RecursionError:
        raise ConfigError(f"{source}: nested too deeply, or an alias within itself") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise ConfigError(f"{source}{where}: {shown(str(error.problem), 200)}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise ConfigError(
            f"{source}:{line}:{column}: character U+{ord(text[error.position]):04X} is not allowed"
            " in YAML; write it as an escape in double quotes"
        ) from None


def parse(source: str, text: str) -> ConfigFile:
    """Return the content of a YAML text and where each value stands."""
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
    """The places of all values, and what is refused before anything is built."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.places: dict[Place, tuple[int, int]] = {(): (1, 1)}
        self.problems: list[Problem] = []
        self.count = 0

    def visit(self, node: yaml.Node | None, place: Place) -> None:
        """Take in a node and all below it."""
        if len(place) > MAX_DEPTH:
            raise RecursionError
        if isinstance(node, yaml.ScalarNode) and len(node.value) > MAX_TEXT:
            self.problems.append((place, f"{len(node.value):,} characters; at most {MAX_TEXT:,}"))
        if node is not None and node.tag not in TAGS:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self.problems.append((place, f"the tag {shown(tag)} is not known; leave it out"))
        for name, at, child in children(node):
            self.count += 1
            if self.count > MAX_VALUES:
                raise ConstructorError(None, None, TOO_MANY, at.start_mark)
            here = (*place, name)
            if here in self.places:
                self.problems.append((here, "key given twice"))
            self.places[here] = (at.start_mark.line + 1, at.start_mark.column + 1)
            if isinstance(name, str) and at.tag.rpartition(":")[2] not in ("str", "merge"):
                self.problems.append((here, "a key must be text; put it in quotes"))
            self.visit(child, here)


def children(node: yaml.Node | None) -> Iterable[tuple[str | int, yaml.Node, yaml.Node]]:
    """Yield (key or index, the node whose place it has, the value) of a mapping or list."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else shown(key.tag)
            yield name, key, value
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield index, item, item


def dotted(place: Place) -> str:
    """Return a place for a message."""
    return ".".join(shown(str(part), 40) for part in place) or "file"


def format_problems(source: str, problems: Iterable[Problem], places: Places) -> str:
    """Return one line per problem: file, line and column, dotted path, what is wrong."""
    lines = []
    for place, message in problems:
        known = place
        while known not in places and known:
            known = known[:-1]
        line, column = places.get(known, (1, 1))
        lines.append((line, column, f"{source}:{line}:{column}: {dotted(place)}: {message}"))
    return "\n".join(dict.fromkeys(text for _, _, text in sorted(lines)))
