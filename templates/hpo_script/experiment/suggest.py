"""Suggestions: what is searched, where, and which trials are pruned."""

from __future__ import annotations

import json
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    distribution_to_json,
)
from optuna.trial import FrozenTrial, Trial, create_trial

from hpo_script.experiment import Experiment, Table


def split(table: Table) -> tuple[str, dict[str, Any]]:
    """Return the type in a table, and the arguments."""
    return table["type"], {name: value for name, value in table.items() if name != "type"}


def make_pruner(table: Table) -> optuna.pruners.BasePruner:
    """Return the pruner, every argument written out."""
    kind, arguments = split(table)
    return getattr(optuna.pruners, kind)(**arguments)


def make_distribution(table: Table) -> BaseDistribution:
    """Return where a parameter is searched."""
    kind, arguments = split(table)
    return getattr(optuna.distributions, f"{kind.capitalize()}Distribution")(**arguments)


def space_of(experiment: Experiment) -> dict[str, Any]:
    """Return what is searched and what is not, as JSON has it."""
    distributions = {name: make_distribution(table) for name, table in experiment.searched.items()}
    space = {
        "search_space": {n: json.loads(distribution_to_json(d)) for n, d in distributions.items()},
        "conditions": dict(experiment.conditions),
        "skip_indices": list(experiment.skip_indices),
        "fixed_params": dict(experiment.fixed_params),
    }
    found: dict[str, Any] = json.loads(json.dumps(space))
    return found


def unfit(trial: FrozenTrial, experiment: Experiment) -> str:
    """Return what a trial was given that is not searched; other programs may queue anything."""
    given = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    wrong = [f"{name} is not searched" for name in trial.params.keys() - experiment.searched]
    for name in given.keys() & experiment.searched:
        wanted = make_distribution(experiment.searched[name])
        if not contains(wanted, given[name]) or trial.distributions.get(name, wanted) != wanted:
            wrong.append(f"{name}={given[name]!r} is not in {wanted}")
    return "; ".join(sorted(wrong))[:1000]


def contains(distribution: BaseDistribution, value: object) -> bool:
    """Tell whether a parameter may have a value."""
    number = isinstance(value, (int, float))
    if not number and not isinstance(distribution, CategoricalDistribution):
        return False  # Optuna takes the text of a number
    try:
        create_trial(params={"it": value}, distributions={"it": distribution}, value=0.0)
    except (ValueError, OverflowError):
        return False
    return True


def suggest(trial: Trial, experiment: Experiment) -> dict[str, Any]:
    """Return the configuration of a trial; where a condition fails, the fixed value is kept."""
    config = dict(experiment.fixed_params)
    for name, table in experiment.searched.items():
        wanted = experiment.conditions.get(name, {})
        if all(config.get(other) in values for other, values in wanted.items()):
            kind, arguments = split(table)
            value = getattr(trial, f"suggest_{kind}")(name, **arguments)
            distribution = make_distribution(table)  # a queued 0 of a float is kept as 0.0
            config[name] = distribution.to_external_repr(distribution.to_internal_repr(value))
    return config
