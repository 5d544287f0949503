"""Inlining: parts of the script, checked and joined into one file.

A part has a docstring (first line its title, the rest a note), imports, and definitions. Refused,
with path and line: no docstring, an import after a definition, a statement that defines nothing,
an import of a part by its name, a name from a part that is not above, and two parts that define
one name.
"""

from __future__ import annotations

import ast
import functools
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from hpogen.errors import PartError
from hpogen.files import shown_path

PACKAGE = "hpo_script"
WIDTH = 99


@dataclass
class Imports:
    """Import statements, merged: whole modules, and names from modules."""

    modules: set[str] = field(default_factory=set)
    names: dict[str, set[str]] = field(default_factory=dict)

    def add(self, node: ast.Import | ast.ImportFrom) -> None:
        """Take in a statement."""
        for alias in node.names:
            text = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
            if isinstance(node, ast.Import):
                self.modules.add(text)
            else:
                self.names.setdefault(node.module or "", set()).add(text)

    def merge(self, other: Imports) -> None:
        """Take in the statements of another part."""
        self.modules |= other.modules
        for module, names in other.names.items():
            self.names.setdefault(module, set()).update(names)

    def without(self, other: Imports) -> Imports:
        """Return the statements that another part does not have."""
        left = Imports(self.modules - other.modules)
        for module, names in self.names.items():
            if more := names - other.names.get(module, set()):
                left.names[module] = more
        return left

    def roots(self) -> set[str]:
        """Return the top-level packages."""
        return {name.split()[0].split(".")[0] for name in (*self.modules, *self.names)}

    def all_modules(self) -> list[str]:
        """Return every module that is imported, packages before their modules."""
        return sorted({*(name.split()[0] for name in self.modules), *self.names, *self.roots()})

    def lines(self, indent: str = "") -> list[str]:
        """Return sorted statements, as isort orders and wraps them."""
        found = [f"{indent}import {name}" for name in sorted(self.modules, key=str.lower)]
        for module in sorted(self.names, key=str.lower):
            names = sorted(self.names[module], key=isort_key)
            line = f"{indent}from {module} import {', '.join(names)}"
            if len(line) > WIDTH:
                inner = "".join(f"{indent}    {name},\n" for name in names)
                line = f"{indent}from {module} import (\n{inner}{indent})"
            found.append(line)
        return found


def isort_key(name: str) -> tuple[int, str]:
    """Order names as isort does: CONSTANTS, Classes, the rest."""
    if name.isupper() and len(name) > 1:
        return 0, name
    return (1, name) if name[0].isupper() else (2, name)


@dataclass(frozen=True)
class Part:
    """A part, read and checked on its own."""

    where: str  # its file, for messages
    title: str
    note: str
    body: str
    stdlib: Imports
    third_party: Imports
    siblings: tuple[tuple[str, int], ...]  # names taken from other parts, and where
    defines: tuple[str, ...]
    opens_with_definition: bool


def find_part(name: str, folder: Path | None = None) -> Path | None:
    """Return the file of a part: in a family's own folder, else in hpo_script; None if in neither.

    `name` is the path below the folder, without .py.
    """
    places = [folder / f"{name}.py"] if folder else []
    places.append(Path(str(resources.files(PACKAGE).joinpath(f"{name}.py"))))
    return next((place for place in places if place.is_file()), None)


@functools.cache
def read_part(name: str, folder: Path | None = None) -> Part:
    """Read a part. Raises PartError."""
    path = find_part(name, folder)
    if path is None:
        raise PartError(f"part {name}: there is no {name}.py in {folder or PACKAGE}")
    where = f"{PACKAGE}/{name}.py" if folder not in path.parents else shown_path(path)
    return parse_part(where, path.read_text(encoding="utf-8"))


def parse_part(where: str, source: str) -> Part:
    """Check the source of a part and take it apart; `where` is its file. Raises PartError."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise PartError(f"{where}:{error.lineno}: {error.msg}") from None
    docstring = ast.get_docstring(tree)
    if not docstring:
        raise PartError(f"{where}:1: no docstring; its first line is the title of the part")
    title, _, note = docstring.partition("\n\n")
    stdlib, third_party = Imports(), Imports()
    siblings: list[tuple[str, int]] = []
    statements = tree.body[1:]
    body_from = 0
    while body_from < len(statements) and is_import(statements[body_from]):
        node = statements[body_from]
        assert isinstance(node, (ast.Import, ast.ImportFrom))  # noqa: S101  narrowed above
        siblings += sort_import(where, node, stdlib, third_party)
        body_from += 1
    definitions = statements[body_from:]
    if not definitions:
        raise PartError(f"{where}:1: defines nothing")
    for node in definitions:
        check_definition(where, node)
    first = statements[body_from - 1] if body_from else tree.body[0]
    lines = source.splitlines()
    body = "\n".join(lines[first.end_lineno or 0 :]).strip("\n")
    return Part(
        where=where,
        title=title.rstrip("."),
        note=note,
        body=body,
        stdlib=stdlib,
        third_party=third_party,
        siblings=tuple(siblings),
        defines=tuple(defined for node in definitions for defined in defined_names(node)),
        opens_with_definition=not body.startswith("#")
        and isinstance(definitions[0], (ast.FunctionDef, ast.ClassDef)),
    )


def is_import(node: ast.stmt) -> bool:
    """Tell whether a statement is an import."""
    return isinstance(node, (ast.Import, ast.ImportFrom))


def sort_import(
    where: str, node: ast.Import | ast.ImportFrom, stdlib: Imports, third_party: Imports
) -> list[tuple[str, int]]:
    """Put an import where it belongs; return the names it takes from other parts."""
    module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
    root = (module or "").split(".")[0]
    is_part = root == PACKAGE or (isinstance(node, ast.ImportFrom) and node.level > 0)
    if module == "__future__":
        return []
    if not is_part:
        (stdlib if root in sys.stdlib_module_names else third_party).add(node)
        return []
    if isinstance(node, ast.Import) or any(alias.asname for alias in node.names):
        raise PartError(
            f"{where}:{node.lineno}: write `from {module} import name`: in one file there"
            " is no module to look a name up in"
        )
    return [(alias.name, node.lineno) for alias in node.names]


def check_definition(where: str, node: ast.stmt) -> None:
    """Refuse a statement that is no definition."""
    if is_import(node):
        raise PartError(f"{where}:{node.lineno}: import after a definition")
    if not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)):
        raise PartError(f"{where}:{node.lineno}: a part holds definitions only")


def defined_names(node: ast.stmt) -> list[str]:
    """Return the names a definition binds."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", node)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def check_parts(parts: Sequence[Part], constants: Iterable[str]) -> None:
    """Check parts against those above them. Raises PartError."""
    owner = dict.fromkeys(constants, "the constants")
    for part in parts:
        for taken, line in part.siblings:
            if taken not in owner:
                raise PartError(f"{part.where}:{line}: {taken} is in no part above")
        for defined in part.defines:
            if defined in owner:
                raise PartError(f"{part.where}: {defined} is also defined in {owner[defined]}")
            owner[defined] = part.where


def part_text(part: Part, before: Part | None = None) -> str:
    """Return a part as it stands in the script: a rule with its title, its note, its body.

    A part with the title of the part before it continues that one: it is only its body.
    """
    if before is not None and before.title == part.title:
        return part.body
    lines = [heading(part.title)]
    for paragraph in part.note.split("\n\n") if part.note else []:
        if len(lines) > 1:
            lines.append("#")
        lines += textwrap.wrap(
            " ".join(paragraph.split()),
            WIDTH,
            initial_indent="# ",
            subsequent_indent="# ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    # The formatter wants two blank lines between a comment and a definition, one elsewhere.
    gap = "\n\n\n" if part.opens_with_definition else "\n\n"
    return "\n".join(lines) + gap + part.body


def heading(title: str, rule: str = "-") -> str:
    """Return a rule with a title."""
    return f"# {rule * 3} {title} ".ljust(WIDTH, rule)
