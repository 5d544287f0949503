"""Ten random studies under whichever version of Optuna this Python has, from 2.10 on.

Usage: optuna_variants.py FOLDER. Study n is written to n.db and, from Optuna 3.1 on, n.journal,
its log to standard error, and its trials as Optuna reads them to standard output.
"""

from __future__ import annotations

import json
import random
import sys
import warnings
from pathlib import Path
from typing import Any

import optuna

VERSION = tuple(int(part) for part in optuna.__version__.split(".")[:2])
TEXTS = ["relu", "it's", 'say "x"', "a, b: {c}", "größe", "C:\\new", "", "None", "[1, 2]", "nan"]
NAMES = ["lr", "n layers", "a.b", "x'y", "größe", "batch_size", "opt"]
COUNT = 10


class Objective:
    """An objective with random parameters and ends."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311
        self.chance, self.n_values = chance, chance.choice([1, 1, 1, 2])
        kinds = chance.choices(["log", "linear", "int", "choice", "step"], k=chance.randint(0, 5))
        self.params = [*zip(chance.sample(NAMES, len(kinds)), kinds, strict=True)]
        self.choices = [*chance.sample(TEXTS, 3), None, True, 3, 0.5, 1e-05]

    def __call__(self, trial: Any) -> Any:
        for name, kind in self.params:
            if kind == "choice":
                trial.suggest_categorical(name, self.choices)
            elif kind == "int":
                trial.suggest_int(name, -3, 300)
            else:
                low = 1e-7 if kind == "log" else 0.0
                step = 0.125 if kind == "step" else None
                trial.suggest_float(name, low, 1.0, log=kind == "log", step=step)
        for step in range(self.chance.randint(0, 3) if self.n_values == 1 else 0):
            trial.report(self.chance.random(), step)
        end = self.chance.random()
        if end < 0.15 and self.n_values == 1:
            raise optuna.TrialPruned(self.chance.choice(["", "at step 3", "Trial 1 pruned. "]))
        if end < 0.3:
            raise ValueError(self.chance.choice(["x", "it's", 'say "x"', "two\nlines"]))
        values = [self.value() for _ in range(self.n_values)]
        return values[0] if self.n_values == 1 else values

    def value(self) -> float:
        return self.chance.choice([self.chance.random(), -1e-05, 3, 1e300, float("inf")])


def run(storage: Any, seed: int) -> Any:
    """Return the study of a seed, run in a storage."""
    objective = Objective(seed)
    study = optuna.create_study(
        storage=storage,
        study_name=f"study {seed}",
        directions=["minimize"] * objective.n_values,
        sampler=optuna.samplers.RandomSampler(seed=seed),
    )
    study.optimize(objective, n_trials=8, catch=(ValueError,))
    return study


def contents_of(study: Any) -> list[dict[str, Any]]:
    """Return the trials, with values as text, which is not rounded."""
    return [
        {
            "number": trial.number,
            "state": trial.state.name,
            "values": repr(tuple(map(float, trial.values or ()))),
            "params": {name: repr(value) for name, value in sorted(trial.params.items())},
            "steps": sorted(trial.intermediate_values),
        }
        for trial in study.trials
    ]


def main() -> None:
    warnings.simplefilter("ignore")
    folder, contents = Path(sys.argv[1]), {}
    for seed in range(COUNT):
        study = run(f"sqlite:///{folder / str(seed)}.db", seed)
        contents[f"{seed}.db"] = contents_of(study)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for seed in range(COUNT if VERSION >= (3, 1) else 0):
        journal = optuna.storages.JournalStorage(backend(str(folder / f"{seed}.journal")))
        contents[f"{seed}.journal"] = contents_of(run(journal, seed))
    print(json.dumps(contents))


def backend(path: str) -> Any:
    """Return the file of a journal; its class was renamed in Optuna 4."""
    if VERSION >= (4, 0):
        return optuna.storages.journal.JournalFileBackend(path)
    return optuna.storages.JournalFileStorage(path)


if __name__ == "__main__":
    main()
