"""Rendering of a specification as a script; the same specification gives the same bytes."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any

import jinja2

from hpogen import __version__
from hpogen.errors import PartError
from hpogen.grid.budget import format_budget
from hpogen.rendering.inline import (
    WIDTH,
    Imports,
    Part,
    check_parts,
    heading,
    part_text,
    read_part,
)
from hpogen.rendering.literals import constant_line, literal
from hpogen.rendering.part_order import PartNames, part_names
from hpogen.rendering.script_constants import Group, script_constants
from hpogen.rendering.sections import chosen_sections
from hpogen.spec import Spec

MARK = "#:hpogen:"  # no space follows: formatters keep the line, linters accept its length
# Requirements by package, for the metadata of a script.
REQUIREMENTS = {
    "cmaes": "cmaes",
    "mlflow": "mlflow-skinny",
    "numpy": "numpy",
    "optuna": "optuna>=4,<6",
    "pandas": "pandas",
    "scipy": "scipy",
    "torch": "torch>=2.4",
}


def render(spec: Spec) -> str:
    """Return the script of a specification. Raises UsageError if no architecture fits."""
    sections = chosen_sections(spec.sections)
    return join(
        "script.py.j2",
        spec,
        part_names(spec),
        script_constants(spec),
        spec.sampler.requires,
        horizon="" if spec.horizon is None else f", horizon {spec.horizon}",
        mark=f"{MARK}{__version__}:{spec.sha256()}:{spec.to_json()}",
        more_arguments="".join(f", {s.arguments[1]}" for s in sections if s.arguments),
        guards=", ".join(section.guards for section in sections if section.guards),
        starts=[
            *spec.family.starts(spec.constants),
            *(section.start for section in sections if section.start),
        ],
        search="".join(f", search={section.search}" for section in sections if section.search),
        exit=next((section.exit for section in sections if section.exit), "sys.exit"),
    )


def join(
    template_name: str,
    spec: Spec,
    names: PartNames,
    constants: list[Group],
    requires: Iterable[str],
    **values: Any,
) -> str:
    """Return a script: constants and parts in a template, which gets `values`, too."""
    family = spec.family
    blocks = [[read_part(name, family.folder) for name in block] for block in names]
    command_line, experiment, machinery = blocks
    parts = [*command_line, *experiment, *machinery]
    tables = function_tables(spec)
    check_names(parts, constants, tables)
    stdlib, third_party = merged(parts)
    first_stdlib, first_packages = merged([*command_line, *experiment])
    first_stdlib.modules.add("sys")
    first_stdlib.names.setdefault("typing", set()).update({"Any", "Literal"})
    packages = required_packages(command_line, third_party, requires)
    return template(template_name).render(
        spec=spec,
        budget=format_budget(spec.budget),
        title=family.kind(spec.task).question(spec.task),
        version=__version__,
        requirements=[REQUIREMENTS.get(package, package) for package in packages],
        packages=packages,
        stdlib=first_stdlib.lines(),
        third_party=first_packages.lines(indent="    "),
        machinery_stdlib=stdlib.without(first_stdlib).lines(),
        machinery_packages=third_party.without(first_packages).lines(),
        heading=heading,
        constants=[
            (about, [constant_line(*constant) for constant in group]) for about, group in constants
        ],
        modules=constant_line("MODULES", third_party.all_modules(), ""),
        command_line=[part_text(part) for part in command_line],
        experiment=[
            part_text(part, before) + tables_after(part, tables)
            for before, part in zip([None, *experiment], experiment, strict=False)
        ],
        machinery=[part_text(part) for part in machinery],
        **values,
    )


def check_names(parts: Sequence[Part], constants: Iterable[Group], tables: Iterable[str]) -> None:
    """Check that each part uses only names that are defined above it. Raises PartError."""
    defined = [name.split(":")[0] for _, group in constants for name, _, _ in group]
    check_parts(parts, [*defined, *(name.split(":")[0] for name in tables), "MODULES"])


def required_packages(
    command_line: Sequence[Part], third_party: Imports, more: Iterable[str]
) -> list[str]:
    """Return the third-party packages of a script. Raises PartError.

    The command line is parsed before the packages are imported.
    """
    if early := [part.where for part in command_line if part.third_party.roots()]:
        raise PartError(f"{early[0]}: a part of the command line must not import packages")
    return sorted({*third_party.roots(), *more})


@functools.cache
def template(name: str) -> jinja2.Template:
    """Return a template of scripts, in which an undefined variable is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(
            lambda name: resources.files("hpo_script").joinpath(name).read_text(encoding="utf-8")
        ),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  the output is Python; `literal` escapes values
    )
    return environment.get_template(name)


def merged(parts: Iterable[Part]) -> tuple[Imports, Imports]:
    """Return the imports of all parts: (standard library, third party)."""
    stdlib, third_party = Imports(), Imports()
    for part in parts:
        stdlib.merge(part.stdlib)
        third_party.merge(part.third_party)
    return stdlib, third_party


def function_tables(spec: Spec) -> dict[str, str]:
    """Return {NAME with type: source} of the table of each switch: {value: function}."""
    tables = {}
    for name, switch in spec.family.switches.items():
        items = [f"{literal(value)}: {value}{switch.suffix}" for value in spec.used[name]]
        line = "{" + ", ".join(items) + "}"
        constant = f"{switch.argument.upper()}: dict[str, Callable[..., Any]]"
        if len(f"{constant} = {line}") > WIDTH:
            line = "{\n" + "".join(f"    {item},\n" for item in items) + "}"
        tables[constant] = line
    return tables


def tables_after(part: Part, tables: dict[str, str]) -> str:
    """Remove the tables whose last function a part defines, and return their source."""
    text = ""
    for name in list(tables):
        functions = re.findall(r": (\w+)", tables[name])
        if functions[-1] in part.defines:
            text += f"\n\n\n{name} = {tables.pop(name)}"
    return text


def read_mark(script: str) -> dict[str, Any] | None:
    """Return the specification in a script's header line, None if there is no such line."""
    for line in script.splitlines()[:40]:
        if line.startswith(MARK):
            fields: dict[str, Any] = json.loads(line.removeprefix(MARK).split(":", 2)[2])
            return fields
    return None
