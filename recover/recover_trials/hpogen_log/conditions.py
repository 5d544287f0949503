"""Conditions: which parameters a trial searches, given its other parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def applies(conditions: Mapping[str, Any], name: str, config: Mapping[str, Any]) -> bool:
    """Tell whether a configuration searches a parameter."""
    wanted = conditions.get(name)
    if not isinstance(wanted, Mapping):
        return True
    return all(
        isinstance(values, list) and config.get(other) in values
        for other, values in wanted.items()
    )
