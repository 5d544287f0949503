"""Rendering: a specification becomes one script; same specification, same bytes."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

import jinja2

from hpogen import __version__
from hpogen.budget import format_budget
from hpogen.errors import PartError
from hpogen.inline import WIDTH, Imports, Part, check_parts, heading, part_text, read_part
from hpogen.part_order import part_names
from hpogen.samplers import written_out
from hpogen.sections import Section, chosen_sections
from hpogen.spec import Spec

MARK = "#:hpogen:"  # one word, so that linters let it be long, and kept by formatters
# What a script may import besides the standard library, as a requirement.
REQUIREMENTS = {
    "cmaes": "cmaes",
    "numpy": "numpy",
    "optuna": "optuna>=4,<6",
    "pandas": "pandas",
    "scipy": "scipy",
    "torch": "torch>=2.4",
}


def render(spec: Spec) -> str:
    """Return the script of a specification. Raises UsageError when no architecture fits."""
    family, sections = spec.family, chosen_sections(spec.sections)
    blocks = [[read_part(name, family.folder) for name in names] for names in part_names(spec)]
    command_line, experiment, machinery = blocks
    parts = [*command_line, *experiment, *machinery]
    constants = script_constants(spec)
    tables = function_tables(spec)
    check_names(parts, constants, tables)
    stdlib, third_party = merged(parts)
    first_stdlib, first_packages = merged([*command_line, *experiment])
    first_stdlib.modules.add("sys")
    first_stdlib.names.setdefault("typing", set()).update({"Any", "Literal"})
    packages = required_packages(command_line, third_party, spec.sampler.requires)
    return template().render(
        spec=spec,
        budget=format_budget(spec.budget),
        horizon="" if spec.horizon is None else f", horizon {spec.horizon}",
        title=family.kind(spec.task).title,
        version=__version__,
        mark=f"{MARK}{__version__}:{spec.sha256()}:{spec.to_json()}",
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
        more_arguments="".join(f", {s.arguments[1]}" for s in sections if s.arguments),
        experiment=[
            part_text(part, before) + tables_after(part, tables)
            for before, part in zip([None, *experiment], experiment, strict=False)
        ],
        machinery=[part_text(part) for part in machinery],
        guards=", ".join(chosen.guards for chosen in sections if chosen.guards),
        search="".join(f", search={chosen.search}" for chosen in sections if chosen.search),
    )


def check_names(
    parts: Sequence[Part],
    constants: Iterable[tuple[str, list[tuple[str, Any, str]]]],
    tables: Iterable[str],
) -> None:
    """Check that each part uses names of parts above it only. Raises PartError."""
    defined = [name.split(":")[0] for _, group in constants for name, _, _ in group]
    check_parts(parts, [*defined, *(name.split(":")[0] for name in tables), "MODULES"])


def required_packages(
    command_line: Sequence[Part], third_party: Imports, more: Iterable[str]
) -> list[str]:
    """Return the third-party packages of a script. Raises PartError.

    The command line is read before any of them is imported.
    """
    if early := [part.where for part in command_line if part.third_party.roots()]:
        raise PartError(f"{early[0]}: needs a package before the command line is read")
    return sorted({*third_party.roots(), *more})


@functools.cache
def template() -> jinja2.Template:
    """Return the frame of a script, strict: a name it does not get is an error."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  the output is Python; values go through `literal`
    )
    source = resources.files("hpo_script").joinpath("script.py.j2")
    return environment.from_string(source.read_text(encoding="utf-8"))


def merged(parts: Iterable[Part]) -> tuple[Imports, Imports]:
    """Return the imports of all parts: standard library, third party."""
    stdlib, third_party = Imports(), Imports()
    for part in parts:
        stdlib.merge(part.stdlib)
        third_party.merge(part.third_party)
    return stdlib, third_party


def script_constants(spec: Spec) -> list[tuple[str, list[tuple[str, Any, str]]]]:
    """Return the constants in groups: (what the group is, [(NAME, value, comment)])."""
    family = spec.family
    groups = {"data": "Data", "splits": "Splits, contiguous and in order", "model": "Model"}
    own = [
        (
            title,
            [
                (
                    annotated(c.name.upper(), spec.constants[c.name]),
                    spec.constants[c.name],
                    c.about + comments_beside(c.name, spec),
                )
                for c in family.constants
                if c.group == name and not c.beside and c.name in spec.constants
            ],
        )
        for name, title in groups.items()
    ]
    params = family.all_params(spec.used)
    search = {name: entry.model_dump() for name, entry in spec.search.items()}
    conditions = {name: entry.pop("when") for name, entry in search.items()}
    searched = Rows({name: f"# {params[name].about}" for name in spec.search})
    fixed = Rows({name: f"# {params[name].about}" for name in spec.fixed})
    return [
        (
            "Experiment",
            [
                ("NAME", spec.name, ""),
                ("BUDGET", Underscored(spec.budget), "parameters"),
                ("TOLERANCE", spec.tolerance, "of the budget, up and down"),
                *([("HORIZON", spec.horizon, "trading days ahead")] if family.has_horizon else []),
                ("TASK", spec.task, ""),
                (
                    "METRIC",
                    spec.metric,
                    "a trial's value: its best evaluation (if pruned, its last)",
                ),
                ('DIRECTION: Literal["minimize", "maximize"]', family.metrics[spec.metric], ""),
                ("N_TRIALS", spec.n_trials, "in all, over every run of this script"),
                (
                    "TIMEOUT_HOURS: float | None",
                    spec.timeout_hours,
                    "a run stops after these, even in a trial",
                ),
                ("SEED", spec.seed, "of every random stream"),
                ("HPOGEN", f"{__version__} {spec.sha256()[:12]}", "its version and specification"),
            ],
        ),
        *((s.title, section_constants(s, spec)) for s in chosen_sections(spec.sections)),
        *own,
        (
            "Searched parameters, besides the architecture",
            [
                (
                    "SEARCH_SPACE: dict[str, dict[str, Any]]",
                    searched.of(search),
                    "",
                ),
                (
                    "CONDITIONS: dict[str, dict[str, list[Any]]]",
                    Rows({}).of({name: when for name, when in conditions.items() if when}),
                    "",
                ),
                ("FIXED_PARAMS: dict[str, Any]", fixed.of(spec.fixed), "not searched"),
            ],
        ),
        (
            "Sampler and pruner of Optuna (steps in the unit of evaluations)",
            [
                ("SAMPLER: dict[str, Any]", Rows({}).packed(written_out(spec.sampler)), ""),
                ("PRUNER: dict[str, Any]", Rows({}).packed(written_out(spec.pruner)), ""),
            ],
        ),
        (
            "Architectures within the budget, deep and narrow to shallow and wide, exact params",
            [
                ("FREE_AXES", list(family.free_axes), "do not change the parameter count"),
                ("ARCHITECTURES", Rows({}).of_items(spec.architectures), ""),
                (
                    "EXTREME_INDICES: dict[int, str]",
                    Rows({}).packed(spec.extremes),
                    "tried in any case",
                ),
                ("SKIP_INDICES: list[int]", spec.skipped, "never tried"),
            ],
        ),
    ]


def comments_beside(name: str, spec: Spec) -> str:
    """Return the values that a script has only in the comment on a constant."""
    values = [spec.constants[c.name] for c in spec.family.constants if c.beside == name]
    return "".join(f", {' to '.join(value)}" for value in values if value)


def section_constants(chosen: Section, spec: Spec) -> list[tuple[str, Any, str]]:
    """Return the constants of a section; a field of the specification with that name counts."""
    return [
        (name, getattr(spec, name.split(":")[0].lower(), value), about)
        for name, value, about in chosen.constants
    ]


def annotated(name: str, value: Any) -> str:
    """Return the name of a constant, with its type where the value alone does not show it."""
    optional = value is None or name in OPTIONAL
    return f"{name.upper()}: str | None" if optional else name.upper()


OPTIONAL = {"data_sha256", "date_format", "train_end", "val_end"}


class Expression(str):
    """Python source that is written as it is."""

    __slots__ = ()


class Underscored(int):
    """A whole number written with underscores."""


class Rows:
    """A dict or list written one item per line, with a comment on some."""

    def __init__(self, comments: Mapping[str, str]) -> None:
        self.comments = comments
        self.items: list[str] = []
        self.brackets = "{}"
        self.end = ""

    def of(self, table: Mapping[Any, Any]) -> Rows:
        """Hold a dict."""
        for key, value in table.items():
            comment = self.comments.get(key, "")
            text = f"    {literal(key)}: {literal(value)},"
            if comment and len(text) + 2 + len(comment) > WIDTH:
                self.items.append(f"    {comment}")
                comment = ""
            self.items.append(f"{text}  {comment}".rstrip())
        return self

    def packed(self, table: Mapping[Any, Any]) -> Rows:
        """Hold a dict, as many items on a line as fit."""
        lines = [""]
        for key, value in table.items():
            item = f" {literal(key)}: {literal(value)},"
            if len(lines[-1]) + len(item) > WIDTH - 3:
                lines.append("")
            lines[-1] += item
        self.items = [f"   {line}" for line in lines if line]
        self.end = "  # fmt: skip" if len(self.items) < len(table) else ""
        return self

    def of_items(self, values: Iterable[Any]) -> Rows:
        """Hold a list."""
        self.brackets = "[]"
        self.items = [f"    {literal(value)}," for value in values]
        return self

    def __str__(self) -> str:
        """Return Python source."""
        if not self.items:
            return self.brackets
        return "\n".join([self.brackets[0], *self.items, self.brackets[1] + self.end])


def literal(value: Any) -> str:
    """Return a value as Python source in the formatter's style; text cannot break out of it."""
    if isinstance(value, Rows):
        return str(value)
    if isinstance(value, Expression):
        return str(value)
    if isinstance(value, Underscored):
        return f"{value:_}"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(literal(item) for item in value) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} has no literal")
    return repr(value)


def quoted(text: str) -> str:
    """Return a string literal: double quotes unless that needs more escapes."""
    # All but printable ASCII is escaped, and each ' too, because of the " in front.
    inner = ascii('"' + text)[2:-1].replace("\\'", "'")
    mark = "'" if inner.count('"') > inner.count("'") else '"'
    return mark + inner.replace(mark, f"\\{mark}") + mark


def constant_line(name: str, value: Any, about: str) -> str:
    """Return an assignment, its comment behind its first line or, if too long, above it."""
    text = f"{name} = {literal(value)}"
    if len(text) > WIDTH and isinstance(value, list):
        text = f"{name} = {Rows({}).of_items(value)}"
    if not about:
        return text
    first, *rest = text.split("\n")
    if rest:
        return "\n".join([f"{first}  # {about}", *rest])
    if len(text) + 4 + len(about) > WIDTH:
        return f"# {about}\n{text}"
    return f"{text}  # {about}"


def function_tables(spec: Spec) -> dict[str, str]:
    """Return {NAME and type: dict} of each switch: its values in use, and the function of each."""
    found = {}
    for name, switch in spec.family.switches.items():
        items = [f"{literal(value)}: {value}{switch.suffix}" for value in spec.used[name]]
        line = "{" + ", ".join(items) + "}"
        constant = f"{switch.argument.upper()}: dict[str, Callable[..., Any]]"
        if len(f"{constant} = {line}") > WIDTH:
            line = "{\n" + "".join(f"    {item},\n" for item in items) + "}"
        found[constant] = line
    return found


def tables_after(part: Part, tables: dict[str, str]) -> str:
    """Return the tables of functions whose last function a part defines, and drop them."""
    text = ""
    for name in list(tables):
        functions = re.findall(r": (\w+)", tables[name])
        if functions[-1] in part.defines:
            text += f"\n\n\n{name} = {tables.pop(name)}"
    return text


def read_mark(script: str) -> dict[str, Any] | None:
    """Return the specification that a script's header line holds, None if it has none."""
    for line in script.splitlines()[:40]:
        if line.startswith(MARK):
            text = line.removeprefix(MARK).split(":", 2)[2]
            found: dict[str, Any] = json.loads(text)
            return found
    return None
