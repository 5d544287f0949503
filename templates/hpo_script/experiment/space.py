"""Search space: the architecture and SEARCH_SPACE, and what a trial gets of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import optuna

from hpo_script.constants import (
    ARCHITECTURES,
    CONDITIONS,
    FIXED_PARAMS,
    FREE_AXES,
    SEARCH_SPACE,
    SKIP_INDICES,
)
from hpo_script.experiment.arch_space import ArchSpace
from hpo_script.experiment.shared import Config

SPACE = ArchSpace(ARCHITECTURES, FREE_AXES, SKIP_INDICES)


def searched() -> dict[str, dict[str, Any]]:
    """Return every searched parameter: those of the architecture, then SEARCH_SPACE."""
    sizes = SPACE.sizes().items()
    return {**{n: {"type": "int", "low": 0, "high": k - 1} for n, k in sizes}, **SEARCH_SPACE}


def split_type(table: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the type in a table of Optuna, and its arguments."""
    return table["type"], {name: value for name, value in table.items() if name != "type"}


def distributions() -> dict[str, optuna.distributions.BaseDistribution]:
    """Return the distribution of each searched parameter."""
    found = {}
    for name, table in searched().items():
        kind, arguments = split_type(table)
        make = getattr(optuna.distributions, f"{kind.capitalize()}Distribution")
        found[name] = make(**arguments)
    return found


def is_searched(name: str, config: Config) -> bool:
    """Return whether a parameter is searched where the others have these values."""
    return all(config.get(other) in values for other, values in CONDITIONS.get(name, {}).items())


def searched_params(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a trial that were searched."""
    return {n: attributes[n] for n in searched() if n in attributes and is_searched(n, attributes)}


def suggest(trial: optuna.Trial) -> dict[str, Any]:
    """Return the configuration of a trial; where a condition fails, the fixed value counts."""
    config = dict(FIXED_PARAMS)
    for name, table in searched().items():
        if is_searched(name, config):
            kind, arguments = split_type(table)
            config[name] = getattr(trial, f"suggest_{kind}")(name, **arguments)
    return config
