"""Suggestions: what is searched, where, and which trials are pruned."""

from __future__ import annotations

import json
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import Trial

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
        "fixed_params": dict(experiment.fixed_params),
    }
    found: dict[str, Any] = json.loads(json.dumps(space))
    return found


def suggest(trial: Trial, experiment: Experiment) -> dict[str, Any]:
    """Return the configuration of a trial; where a condition fails, the fixed value is kept."""
    config = dict(experiment.fixed_params)
    for name, table in experiment.searched.items():
        wanted = experiment.conditions.get(name, {})
        if all(config.get(other) in values for other, values in wanted.items()):
            kind, arguments = split(table)
            config[name] = getattr(trial, f"suggest_{kind}")(name, **arguments)
    return config
