"""Manifest of a plan: its scripts, their main settings and their digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hpogen import __version__
from hpogen.configuration.yaml_file import shown
from hpogen.plans.matrix import Script
from hpogen.plans.plan import PlanFile

NAME = "manifest.json"


def manifest(file: PlanFile, scripts: Iterable[Script]) -> bytes:
    """Return the manifest of a plan as JSON; the same plan gives the same bytes."""
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
    """Return why a file is not an earlier manifest of a plan, None if it is."""
    try:
        content = json.loads(path.read_bytes())
        name = content["plan"]["name"] if {"hpogen", "scripts"} <= content.keys() else None
    except (OSError, ValueError, RecursionError, AttributeError, TypeError, KeyError):
        name = None
    if name == plan_name:
        return None
    if name is None:
        return "was not written by hpogen"
    return f"is the manifest of another plan, {shown(name)}; write another folder as out"
