"""Tables of the rendered script."""

from __future__ import annotations

import re

from hpogen.rendering.render import render
from hpogen.rendering.sections import SCRIPT_SECTIONS
from hpogen.spec import make_spec
from page_tools.pages import code, table


def parts() -> str:
    """Return the parts of the default script and their lines, without the architectures."""
    spec = make_spec(budget="2M", horizon=1)
    rows: list[list[str | int]] = [["Header and imports", "", 0]]
    for line in render(spec).splitlines():
        if line.startswith(("# === ", "# --- ")):
            title, *about = re.split("[:,] ", line[6:].rstrip(" -="), maxsplit=1)
            rows.append([f"**{title}**" if "=" in line[:5] else title, "".join(about), 0])
        if not line.startswith('    {"d_model"'):
            rows[-1][2] = int(rows[-1][2]) + 1
    rows.append(["together", "", sum(int(row[2]) for row in rows)])
    return table(["part", "content", "lines"], rows)


def optional_sections() -> str:
    """Return the sections that `--with` adds, and how many lines each adds."""
    default = make_spec(budget="2M", horizon=1)
    n_lines = render(default).count("\n")
    rows = []
    for name, section in SCRIPT_SECTIONS.items():
        longer = render(make_spec(budget="2M", horizon=1, with_sections=(name,)))
        rows.append([code(name), section.about, longer.count("\n") - n_lines])
    return table(["section", "what it does", "lines"], rows)
