"""Conditions of a search space: a parameter is searched only for some values of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def applies(conditions: Mapping[str, Any], name: str, config: Mapping[str, Any]) -> bool:
    """Return whether a trial with this configuration searches a parameter."""
    wanted = conditions.get(name)
    if not isinstance(wanted, Mapping):
        return True
    return all(
        isinstance(values, list) and config.get(other) in values
        for other, values in wanted.items()
    )
