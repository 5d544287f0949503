"""Inlining of parts: each is a module that becomes a block of the script.

A part has a docstring (first line: title, rest: note), imports, and definitions. It may define a
name again that it imports under another name from a part above. An error names
the file and line of: no docstring, an import after a definition, a statement that defines nothing,
an import of a part as a module, a name from a part that is not above, and a name that two parts
define.
"""

from __future__ import annotations

import ast
import functools
import itertools
import sys
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import NamedTuple, TypeGuard

from hpogen.errors import PartError
from hpogen.files import shown_path

PACKAGE = "hpo_script"
WIDTH = 99


@dataclass
class Imports:
    """Merged import statements: whole modules, and names from modules."""

    modules: set[str] = field(default_factory=set)
    names: dict[str, set[str]] = field(default_factory=dict)

    def add(self, node: ast.Import | ast.ImportFrom) -> None:
        """Add a statement."""
        for alias in node.names:
            text = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
            if isinstance(node, ast.Import):
                self.modules.add(text)
            else:
                self.names.setdefault(node.module or "", set()).add(text)

    def merge(self, other: Imports) -> None:
        """Add the statements of another part."""
        self.modules |= other.modules
        for module, names in other.names.items():
            self.names.setdefault(module, set()).update(names)

    def without(self, other: Imports) -> Imports:
        """Return the statements that `other` lacks."""
        rest = Imports(self.modules - other.modules)
        for module, names in self.names.items():
            if more := names - other.names.get(module, set()):
                rest.names[module] = more
        return rest

    def roots(self) -> set[str]:
        """Return the top-level packages."""
        return {name.split()[0].split(".")[0] for name in (*self.modules, *self.names)}

    def all_modules(self) -> list[str]:
        """Return every imported module, each after its package."""
        return sorted({*(name.split()[0] for name in self.modules), *self.names, *self.roots()})

    def lines(self, indent: str = "") -> list[str]:
        """Return the statements, sorted and wrapped as isort does."""
        lines = [f"{indent}import {name}" for name in sorted(self.modules, key=str.lower)]
        for module in sorted(self.names, key=str.lower):
            names = sorted(self.names[module], key=isort_key)
            line = f"{indent}from {module} import {', '.join(names)}"
            if len(line) > WIDTH:
                inner = "".join(f"{indent}    {name},\n" for name in names)
                line = f"{indent}from {module} import (\n{inner}{indent})"
            lines.append(line)
        return lines


def isort_key(name: str) -> tuple[int, str]:
    """Return a sort key for isort's order: CONSTANTS, Classes, the rest."""
    if name.isupper() and len(name) > 1:
        return 0, name
    return (1, name) if name[0].isupper() else (2, name)


class Sibling(NamedTuple):
    """An import of a name from another part; in the script, an alias is an assignment."""

    name: str
    alias: str | None
    line: int


@dataclass(frozen=True)
class Part:
    """The content of a part, checked without the other parts."""

    where: str  # the file, for messages
    title: str
    note: str
    body: str
    stdlib: Imports
    third_party: Imports
    siblings: tuple[Sibling, ...]  # imports from other parts
    defines: tuple[str, ...]
    opens_with_definition: bool


def find_part(name: str, folder: Path | None = None) -> Path | None:
    """Return the file of a part, in a family's folder or in hpo_script; None if in neither.

    `name` is the path below the folder, without .py.
    """
    paths = [folder / f"{name}.py"] if folder else []
    paths.append(Path(str(resources.files(PACKAGE).joinpath(f"{name}.py"))))
    return next((path for path in paths if path.is_file()), None)


@functools.cache
def read_part(name: str, folder: Path | None = None) -> Part:
    """Read a part. Raises PartError."""
    path = find_part(name, folder)
    if path is None:
        raise PartError(f"part {name}: no file {name}.py in {folder or PACKAGE}")
    where = f"{PACKAGE}/{name}.py" if folder not in path.parents else shown_path(path)
    return parse_part(where, path.read_text(encoding="utf-8"))


def parse_part(where: str, source: str) -> Part:
    """Check and split the source of a part; `where` is its file. Raises PartError."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise PartError(f"{where}:{error.lineno}: {error.msg}") from None
    docstring = ast.get_docstring(tree)
    if not docstring:
        raise PartError(f"{where}:1: no docstring; write one, its first line is the title")
    title, _, note = docstring.partition("\n\n")
    stdlib, third_party = Imports(), Imports()
    siblings: list[Sibling] = []
    head_end = tree.body[0].end_lineno or 0
    statements = tree.body[1:]
    for node in statements:
        if not is_import(node):
            break
        siblings += sort_import(where, node, stdlib, third_party)
        head_end = node.end_lineno or 0
    definitions = list(itertools.dropwhile(is_import, statements))
    if not definitions:
        raise PartError(f"{where}:1: defines nothing; write a function, class or constant")
    for node in definitions:
        check_definition(where, node)
    body = "\n".join(source.splitlines()[head_end:]).strip("\n")
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


def is_import(node: ast.stmt) -> TypeGuard[ast.Import | ast.ImportFrom]:
    """Return whether a statement is an import."""
    return isinstance(node, (ast.Import, ast.ImportFrom))


def sort_import(
    where: str, node: ast.Import | ast.ImportFrom, stdlib: Imports, third_party: Imports
) -> list[Sibling]:
    """Add an import to one of the two; return those of other parts."""
    module = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
    root = (module or "").split(".")[0]
    is_part = root == PACKAGE or (isinstance(node, ast.ImportFrom) and node.level > 0)
    if module == "__future__":
        return []
    if not is_part:
        (stdlib if root in sys.stdlib_module_names else third_party).add(node)
        return []
    if isinstance(node, ast.Import):
        raise PartError(
            f"{where}:{node.lineno}: write `from {module} import NAME`, because a script holds no"
            " module of this name"
        )
    return [Sibling(alias.name, alias.asname, node.lineno) for alias in node.names]


def check_definition(where: str, node: ast.stmt) -> None:
    """Raise PartError unless a statement is a definition."""
    if is_import(node):
        raise PartError(f"{where}:{node.lineno}: move the import above the definitions")
    if not isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)):
        raise PartError(f"{where}:{node.lineno}: write functions, classes and constants only")


def defined_names(node: ast.stmt) -> list[str]:
    """Return the names that a definition binds."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", node)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def check_parts(parts: Sequence[Part], constants: Iterable[str]) -> None:
    """Raise PartError for an import of a name that is not above, and for a second definition."""
    owners = dict.fromkeys(constants, "the constants")
    for part in parts:
        for name, alias, line in part.siblings:
            if name not in owners:
                raise PartError(f"{part.where}:{line}: no part above defines {name}")
            if alias:
                owners[alias] = owners.pop(name)
        for name in part.defines:
            if name in owners:
                raise PartError(
                    f"{part.where}: {name} is already defined in {owners[name]}; rename it"
                )
            owners[name] = part.where


def part_text(part: Part, before: Part | None = None) -> str:
    """Return a part as a block of the script: a heading, its note, its body.

    A part with the title of the part before it continues that one: it is only its body.
    """
    if before is not None and before.title == part.title:
        return part.body
    aliases = "".join(f"{s.alias} = {s.name}\n" for s in part.siblings if s.alias)
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
    # The formatter puts two blank lines between a comment and a definition, one elsewhere.
    gap = "\n\n\n" if part.opens_with_definition else "\n\n"
    return "\n".join(lines) + (f"\n\n{aliases}" if aliases else "") + gap + part.body


def heading(title: str, rule: str = "-") -> str:
    """Return a comment line with a title between rules."""
    return f"# {rule * 3} {title} ".ljust(WIDTH, rule).rstrip()
