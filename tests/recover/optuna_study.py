"""Studies whose log is hard to read, run by whichever version of Optuna this Python has.

Writes to standard output, as JSON, what the studies hold; Optuna's log goes to standard error.
"""

from __future__ import annotations

import json
import math
import sys
import warnings
from typing import Any

import numpy as np
import optuna

VERSION = tuple(int(part) for part in optuna.__version__.split(".")[:2])
TEXTS = (
    'it\'s "x" {a}, b: }',
    ". Best is trial 3 with value: 0.1.",
    "}. Best is trial 0 with value: 9.0.",
    "Trial 9 finished with value: 1.0 and parameters: {}. Best is trial 9 with value: 1.0.",
    "[I 2026-11-21 10:15:00,123] Trial 3 pruned. ",
    " because of the following error: x.",
    "first\nsecond\r\nthird\u2028fourth\x85",
    "back\\slash'\\",
    "\x1b[31mred\x1b[0m\x1b[2J nul\0",
    "é€😀",
    "",
    "nan",
)
CHOICES = [
    *TEXTS,
    None,
    True,
    False,
    7,
    -3,
    0.1,
    1e-05,
    math.nan,
    math.inf,
    -math.inf,
    (1, 2),
    (),
    ("a", (None, 0.5)),
    [0.5, "x"],
    {"a": {"b": 1}},
    *np.logspace(-4, -1, 3),
    np.float32(0.1),
    np.int64(3),
]
NAMES = ("lr", "a.b c'd", 'say "x"', "{", "é", "back\\slash", ". Best is trial 3")
VALUES = (0.5, -0.25, 1e-05, 1.5e300, math.inf, -math.inf, 3, 0.1 + 0.2)


def objective(trial: Any) -> Any:
    """Draw parameters; finish, fail or prune, by the number of the trial."""
    for name in NAMES[: trial.number % 8]:
        trial.suggest_categorical(name, CHOICES)
    trial.suggest_float("x", 1e-7, 1.0, log=True)
    trial.suggest_int("n", -3, 10)
    text = TEXTS[trial.number % len(TEXTS)]
    end = trial.number % 11
    if end == 3:
        raise optuna.TrialPruned(text)
    if end == 4:
        raise optuna.TrialPruned
    if end == 5:
        raise ValueError(text)
    if end == 6:
        return None
    if end == 7:
        return math.nan
    return VALUES[trial.number * 5 % len(VALUES)]


def two_values(trial: Any) -> tuple[float, float]:
    """Return two values."""
    x = trial.suggest_float("x", 0.0, 1.0)
    trial.suggest_categorical("text", TEXTS)
    return x, -x if trial.number else math.inf


def plain(value: Any) -> Any:
    """Return a value without numpy."""
    return value.item() if isinstance(value, np.generic) else value


def contents_of(study: Any) -> dict[str, Any]:
    """Return the fields of a study, with values as text, which is not rounded."""
    single = len(study.directions) == 1
    return {
        "best": study.best_trial.number if single else None,
        "trials": [
            {
                "number": trial.number,
                "state": trial.state.name,
                "values": repr(tuple(map(float, trial.values or ()))),
                "params": {name: repr(plain(value)) for name, value in trial.params.items()},
            }
            for trial in study.trials
        ],
    }


def studies() -> list[Any]:
    """Return studies that were optimized, one after the other."""
    sampler = optuna.samplers.RandomSampler(seed=0)
    one = optuna.create_study(study_name="one", sampler=sampler)
    one.optimize(objective, n_trials=90, catch=(ValueError,))
    down = optuna.create_study(study_name="é 'down'", direction="maximize", sampler=sampler)
    down.optimize(objective, n_trials=30, catch=(ValueError,))
    both = {"directions": ["minimize", "maximize"], "sampler": sampler}
    two = optuna.create_study(study_name="two", **both)
    two.optimize(two_values, n_trials=15)
    finished = [one, down, two]
    if VERSION >= (3, 2):
        named = optuna.create_study(study_name="named", sampler=sampler)
        named.set_metric_names(["it's {loss}"])
        named.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), n_trials=5)
        pair = optuna.create_study(study_name="pair", **both)
        pair.set_metric_names(["loss", "acc"])
        pair.optimize(two_values, n_trials=5)
        finished += [named, pair]
    if VERSION >= (4, 0):
        tpe = optuna.samplers.TPESampler(
            seed=0, constraints_func=lambda trial: (float(trial.number < 3),)
        )
        bound = optuna.create_study(study_name="bound", sampler=tpe)
        bound.optimize(lambda trial: trial.suggest_float("x", 0.0, 1.0), n_trials=8)
        finished.append(bound)
    return finished


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    json.dump({study.study_name: contents_of(study) for study in studies()}, sys.stdout)
