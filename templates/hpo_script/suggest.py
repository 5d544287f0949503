"""Suggestions: what is searched, where, and which trials are pruned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial

from hpo_script.arch_space import ArchSpace

Distribution = FloatDistribution | IntDistribution | CategoricalDistribution


def make_pruner(arguments: Mapping[str, Any]) -> optuna.pruners.BasePruner:
    """Return the pruner, every argument written out."""
    rest = dict(arguments)
    kind = getattr(optuna.pruners, rest.pop("type"))
    return kind(**rest)


def search_distributions(
    space: ArchSpace, search_space: Mapping[str, Mapping[str, Any]]
) -> dict[str, Distribution]:
    """Return every searched parameter: the architecture's, then those of SEARCH_SPACE."""
    kinds: dict[str, Callable[..., Distribution]] = {
        "float": FloatDistribution,
        "int": IntDistribution,
        "categorical": CategoricalDistribution,
    }
    found: dict[str, Distribution] = {
        name: IntDistribution(0, size - 1) for name, size in space.sizes().items()
    }
    for name, entry in search_space.items():
        arguments = {key: value for key, value in entry.items() if key != "type"}
        found[name] = kinds[entry["type"]](**arguments)
    return found


def suggest(
    trial: Trial,
    distributions: Mapping[str, Distribution],
    conditions: Mapping[str, Mapping[str, Sequence[Any]]],
    *,
    fixed_params: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the configuration of a trial; where a condition fails, the fixed value is kept."""
    config = dict(fixed_params)
    for name, distribution in distributions.items():
        wanted = conditions.get(name, {})
        if all(config.get(other) in values for other, values in wanted.items()):
            config[name] = draw(trial, name, distribution)
    return config


def draw(trial: Trial, name: str, distribution: Distribution) -> Any:
    """Return the value of a parameter, new or, in a queued trial, the one it was given."""
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    if isinstance(distribution, IntDistribution):
        low, high, step = distribution.low, distribution.high, distribution.step
        return trial.suggest_int(name, low, high, step=step, log=distribution.log)
    return trial.suggest_categorical(name, distribution.choices)
