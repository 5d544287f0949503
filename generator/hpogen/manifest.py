"""The manifest of a plan: which scripts it gave, by what, and their digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hpogen import __version__
from hpogen.matrix import Script
from hpogen.plan import PlanFile
from hpogen.yaml_file import shown

NAME = "manifest.json"


def manifest(file: PlanFile, scripts: Iterable[Script]) -> bytes:
    """Return the manifest of a plan; same plan, same bytes."""
    content = {
        "hpogen": __version__,
        "plan": {"name": file.path.name, "sha256": file.sha256},
        "scripts": [entry(script) for script in scripts],
    }
    return (json.dumps(content, indent=1) + "\n").encode()


def entry(script: Script) -> dict[str, Any]:
    """Return the manifest's entry for a script."""
    spec = script.spec
    return {
        "name": script.name,
        "budget": spec.budget,
        "horizon": spec.horizon,
        "task": spec.task,
        "seed": spec.seed,
        "n_architectures": len(spec.architectures),
        "spec_sha256": spec.sha256(),
        "sha256": hashlib.sha256(script.content).hexdigest(),
    }


def foreign(path: Path, plan_name: str) -> str | None:
    """Return why a file is not a plan's earlier manifest, None if it is."""
    try:
        found = json.loads(path.read_bytes())
        if {"hpogen", "plan", "scripts"} <= found.keys():
            name = found["plan"]["name"]
        else:
            return "is no manifest that hpogen wrote"
    except (OSError, ValueError, RecursionError, AttributeError, TypeError, KeyError):
        return "is no manifest that hpogen wrote"
    if name == plan_name:
        return None
    return f"is the manifest of another plan, {shown(name)}; give each its own out folder"
