"""Search space: the architecture and SEARCH_SPACE, and the configuration of a trial."""

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
    """Return every searched parameter: shape and free axes, then SEARCH_SPACE."""
    sizes = SPACE.sizes().items()
    return {**{n: {"type": "int", "low": 0, "high": k - 1} for n, k in sizes}, **SEARCH_SPACE}


def split_type(table: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return (type, arguments) of a search entry, a sampler or a pruner."""
    return table["type"], {name: value for name, value in table.items() if name != "type"}


def distributions() -> dict[str, optuna.distributions.BaseDistribution]:
    """Return Optuna's distribution of each searched parameter."""
    by_name = {}
    for name, table in searched().items():
        kind, arguments = split_type(table)
        distribution = getattr(optuna.distributions, f"{kind.capitalize()}Distribution")
        by_name[name] = distribution(**arguments)
    return by_name


def is_searched(name: str, config: Config) -> bool:
    """Return whether the condition of a parameter holds for the values in `config`."""
    return all(config.get(other) in values for other, values in CONDITIONS.get(name, {}).items())


def searched_params(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the searched parameters among the attributes of a trial."""
    return {n: attributes[n] for n in searched() if n in attributes and is_searched(n, attributes)}


def suggest(trial: optuna.Trial) -> dict[str, Any]:
    """Return the configuration of a trial; a parameter whose condition fails is fixed."""
    config = dict(FIXED_PARAMS)
    for name, table in searched().items():
        if is_searched(name, config):
            kind, arguments = split_type(table)
            config[name] = getattr(trial, f"suggest_{kind}")(name, **arguments)
    return config
