"""File names of scripts: format and parser."""

from __future__ import annotations

import re
from typing import NamedTuple

from hpogen.errors import UsageError
from hpogen.grid.budget import format_budget, parse_budget


class ScriptName(NamedTuple):
    """The fields of a script's name.

    `task` is None for the default task of its family; `seed` is None unless a plan has several,
    `stage` unless it has stages.
    """

    budget: int
    horizon: int | None
    task: str | None
    seed: int | None = None
    stage: int | None = None

    def __str__(self) -> str:
        """Return the name without .py; a decimal point in a task becomes p."""
        horizon = "" if self.horizon is None else f"_h{self.horizon}"
        task = "" if self.task is None else "_" + self.task.replace(".", "p")
        seed = "" if self.seed is None else f"_s{self.seed}"
        stage = "" if self.stage is None else f"_S{self.stage}"
        return f"hpo_{format_budget(self.budget)}{horizon}{task}{seed}{stage}"


def parse_script_name(name: str) -> ScriptName | None:
    """Return the fields of a name, with or without .py; None if it is not a script's name."""
    # The task matches as little as possible, so that _s43 is a seed, not the end of a task.
    pattern = r"hpo_(\d[\d.]*[KMB]?)(?:_h(\d+))?(?:_([a-z]\w*?))??(?:_s(\d+))?(?:_S(\d))?(?:\.py)?"
    match = re.fullmatch(pattern, name, re.ASCII)
    if match is None:
        return None
    try:
        budget = parse_budget(match[1])
    except UsageError:
        return None
    task = match[3] and re.sub(r"(?<=\d)p(?=\d)", ".", match[3])
    horizon, seed, stage = (int(text) if text else None for text in match.group(2, 4, 5))
    return ScriptName(budget, horizon, task or None, seed, stage)
