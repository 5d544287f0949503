"""Changes between the specification of a script on disk and a new one, as keys in YAML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hpogen.check import header_spec, read_script
from hpogen.configuration.yaml_file import shown
from hpogen.spec import Spec

MAX_KEYS = 3
# {field of Spec: its group in YAML}, for fields that have a group.
GROUP_OF_FIELD = {
    **dict.fromkeys(("n_trials", "n_noise", "n_confirm", "seed", "seeds"), "study"),
    **dict.fromkeys(("timeout_hours", "storage"), "study"),
    **dict.fromkeys(("where", "skip", "max_memory_gb"), "architecture"),
}


def other_configuration(path: Path, spec: Spec) -> str | None:
    """Return a message about the keys that differ from the script in a file; None if none differ.

    Raises UsageError.
    """
    known = header_spec(path, read_script(path))
    if not isinstance(known, Spec):
        return "is a final script"
    old, new = keys_of(known), keys_of(spec)
    keys = [key for key in dict.fromkeys([*old, *new]) if old.get(key) != new.get(key)]
    for group in ("sampler", "pruner"):
        if f"{group}.type" in keys:  # its other arguments belong to the type
            keys = [key for key in keys if not key.startswith(f"{group}.")] + [f"{group}.type"]
    if not keys:
        return None
    changes = [f"{key} was {as_yaml(old, key)}, is {as_yaml(new, key)}" for key in keys[:MAX_KEYS]]
    n_more = len(keys) - MAX_KEYS
    if n_more > 0:
        changes.append("1 more key differs" if n_more == 1 else f"{n_more} more keys differ")
    return (
        f"has another configuration: {', '.join(changes)}. --out FOLDER writes to another folder,"
        " --stdout prints the script"
    )


def keys_of(spec: Spec) -> dict[str, Any]:
    """Return {dotted key in YAML: value}; a search entry is one value."""
    fields = spec.model_dump()
    groups = {constant.name: constant.group for constant in spec.family.constants}
    constants = fields.pop("constants")
    content: dict[str, Any] = {"study.name": fields.pop("study_name")}
    for name, value in fields.items():
        if name in GROUP_OF_FIELD:
            content[f"{GROUP_OF_FIELD[name]}.{name}"] = value
        elif isinstance(value, Mapping):
            content |= {f"{name}.{key}": item for key, item in value.items()}
        else:
            content[name] = value
    return content | {f"{groups[name]}.{name}": value for name, value in constants.items()}


def as_yaml(content: Mapping[str, Any], key: str) -> str:
    """Return a value as one short line of YAML; "not set" if the key is missing."""
    return shown(json.dumps(content[key], ensure_ascii=False)) if key in content else "not set"
