"""Source: the constants and the code of this script, and how they differ from those of a log."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

# Trials are comparable if these are equal; SAME_SPACE matters to the sampler only.
COMPARED = ("data_sha256", "task", "horizon", "metric", "direction", "settings", "code_sha256")
SAME_SPACE = ("architectures_sha256", "search_space", "conditions", "skip_indices", "fixed_params")
REMARKED = ("seed", "device", "threads", "torch", "optuna", "sampler", "pruner", "trial_seconds")
# Constants that the experiment uses and that a run line has beside its `settings`.
NO_SETTINGS = {*SAME_SPACE, *COMPARED[1:5], "architectures", "free_axes", "data_path"}


def read_source(source: str) -> tuple[dict[str, Any], str]:
    """Return the constants, those that shape a trial as `settings`, and the code's SHA-256."""
    _, constants, code, _ = source.split("\n# === ")
    found: dict[str, Any] = {"settings": {}}
    for node in ast.parse(f"# {constants}").body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            constant = ast.unparse(target)
            name, used = constant.lower(), re.search(rf"\b{constant}\b", code)
            place = found["settings"] if used and name not in NO_SETTINGS else found
            with suppress(ValueError):  # a function of the command line is no constant
                place[name] = ast.literal_eval(node.value)
    return found, hashlib.sha256(code.encode()).hexdigest()


def differences(old: object, new: object, name: str) -> Iterator[str]:
    """Yield the differences between two values, each with its place."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from differences(old.get(key), new.get(key), f"{name}.{key}")
    elif old != new:
        was, now = (json.dumps(value)[:70] for value in (old, new))
        yield f"{name} was {was}, is {now}"


def changes(old: Mapping[str, Any], new: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    new = json.loads(json.dumps({name: new[name] for name in names}))
    return [line for name in names for line in differences(old.get(name), new[name], name)]
