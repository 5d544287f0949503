"""File names of scripts, written and read by one pair of functions."""

from __future__ import annotations

import re
from typing import NamedTuple

from hpogen.budget import format_budget, parse_budget


class ScriptName(NamedTuple):
    """What a script's name says; `task` is None for the default task of its family."""

    budget: int
    horizon: int | None
    task: str | None

    def __str__(self) -> str:
        """Return the name without .py; a point in a task is written p."""
        horizon = "" if self.horizon is None else f"_h{self.horizon}"
        task = "" if self.task is None else "_" + self.task.replace(".", "p")
        return f"hpo_{format_budget(self.budget)}{horizon}{task}"


def parse_script_name(name: str) -> ScriptName | None:
    """Read a name back, with or without .py; None for other names."""
    pattern = r"hpo_(\d[\d.]*[KMB]?)(?:_h(\d+))?(?:_([a-z]\w*))?(?:\.py)?"
    match = re.fullmatch(pattern, name, re.ASCII)
    if match is None:
        return None
    task = match[3] and re.sub(r"(?<=\d)p(?=\d)", ".", match[3])
    horizon = int(match[2]) if match[2] else None
    return ScriptName(parse_budget(match[1]), horizon, task or None)
