"""A SQLite storage of whichever version of Optuna this Python has, from 0.19 on.

Writes the database to the given path and, to standard output, its trials as Optuna reads them.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

import optuna

VERSION = tuple(int(part) for part in optuna.__version__.split(".")[:2])
CHOICES = ["a", "it's", None, True, 2, 0.5]


def objective(trial: Any) -> Any:
    """Report, finish, prune and fail, by the number of the trial."""
    x = trial.suggest_uniform("x", -1, 1)
    trial.suggest_loguniform("lr", 1e-5, 1e-1)
    trial.suggest_int("n", 1, 4)
    trial.suggest_discrete_uniform("q", 0, 1, 0.25)
    trial.suggest_categorical("c", CHOICES)
    trial.set_user_attr("note", f"n{trial.number}")
    for step in range(3):
        trial.report(x + step, step)
    end = trial.number % 5
    if end == 2:
        raise optuna.exceptions.TrialPruned
    if end == 3:
        raise ValueError("boom")
    return float("inf") if end == 4 else x**2


def several_values(trial: Any) -> tuple[float, float]:
    x = trial.suggest_uniform("x", 0, 1)
    return x, -x


def contents_of(study: Any) -> list[dict[str, Any]]:
    """Return the trials with values as text, which is not rounded."""
    return [
        {
            "number": trial.number,
            "state": trial.state.name,
            "values": repr(values_of(trial)),
            "params": {name: repr(value) for name, value in sorted(trial.params.items())},
            "steps": sorted(trial.intermediate_values),
            "note": trial.user_attrs.get("note"),
        }
        for trial in study.trials
    ]


def values_of(trial: Any) -> tuple[float, ...]:
    """Return the values of a trial, of which versions before 2.4 have one."""
    if VERSION >= (2, 4):
        return tuple(map(float, trial.values or ()))
    return () if trial.value is None else (float(trial.value),)


def main(path: str) -> None:
    """Write two studies; after 2.4, the second one has two objectives."""
    storage = f"sqlite:///{path}"
    sampler = optuna.samplers.RandomSampler(seed=0)
    one = optuna.create_study(
        study_name="one", direction="maximize", storage=storage, sampler=sampler
    )
    one.optimize(objective, n_trials=12, catch=(ValueError,))
    directions = {"directions": ["minimize", "maximize"]} if VERSION >= (2, 4) else {}
    two = optuna.create_study(study_name="two", storage=storage, sampler=sampler, **directions)
    two.optimize(several_values if directions else objective, n_trials=2)
    json.dump(
        {
            study: contents_of(optuna.load_study(study_name=study, storage=storage))
            for study in ("one", "two")
        },
        sys.stdout,
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    main(sys.argv[1])
