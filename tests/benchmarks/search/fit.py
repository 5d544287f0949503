"""Fit landscapes to the trials of real studies: `python -m search fit NAME=LOG…`.

NAME is one of TABLES, which says where a study keeps each feature. A study becomes a quadratic in
its features, each scaled to its own range: ridge regression, the penalty chosen by leave-one-out
error, refitted to bootstrap samples of the trials. Values are cut at the 90 % quantile, so that
diverged trainings do not bend the rest. A feature that a study does not have has no effect.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recover_trials import Trial, read_trials

from .grids import FEATURES, Points, to_unit
from .landscapes import FITTED_FILE, Values, terms

REFITS, PENALTIES = 16, 10.0 ** np.arange(-1, 3)
LEAST_NOISE, MOST_NOISE = 0.1, 0.4
OURS = {
    "width": "d_model",
    "depth": "n_layers",
    "n_heads": "n_heads",
    "learning_rate": "learning_rate",
    "weight_decay": "weight_decay",
    "dropout": "dropout",
    "epochs": "epochs",
    "warmup_steps": "warmup_steps",
}
TABLES: dict[str, dict[str, str]] = {
    "byte_lm": OURS,
    "plates": {
        "width": "filters",
        "depth": "depth",
        "learning_rate": "learning_rate",
        "epochs": "num_epochs",
    },
    "graphs": {
        "width": "Hidden0",
        "depth": "n_layers",
        "learning_rate": "lr",
        "dropout": "Dropout",
    },
}
SOURCES = {
    "byte_lm": "the study of byte_lm.yaml, on the text of `hpogen demo-data stdlib`",
    "plates": "xiao-dan-1/LPR on GitHub, 107a493, logs/optuna.log",
    "graphs": "Amartya305/AGCTCN on GitHub, 69f37bd, optunareport.txt",
}
LOGARITHMIC = ("n_heads", "learning_rate", "weight_decay")


def attributes(trial: Trial) -> dict[str, Any]:
    return {**trial.user_attrs, **trial.params}


def table_of(log: Path, columns: Mapping[str, str]) -> tuple[Points, Values]:
    """Return features, each scaled to the range of the study, and values to be minimized."""
    study = max(read_trials(log).studies, key=lambda study: len(study.trials))
    rows = [(attributes(known[-1]), known[-1].values) for known in study.trials.values()]
    rows = [(row, values) for row, values in rows if values and set(columns.values()) <= {*row}]
    values = np.array([values[0] for _, values in rows])
    points = np.full((len(rows), len(FEATURES)), 0.5)
    for place, name in enumerate(FEATURES):
        if (found := column([row for row, _ in rows], name, columns)) is not None:
            points[:, place] = found
    return points, -values if study.higher_is_better else values


def column(
    rows: list[dict[str, Any]], feature: str, columns: Mapping[str, str]
) -> NDArray[np.float64] | None:
    """Return a feature of each trial from 0 to 1, or None if the study does not vary it."""
    if feature == "aspect":
        found = [math.log2(row[columns["width"]] / row[columns["depth"]]) for row in rows]
    elif feature == "d_ff" and "d_ff" in rows[0]:
        found = [row["d_ff"] / row["d_model"] for row in rows]
    elif feature in columns:
        found = [float(row[columns[feature]]) for row in rows]
    else:
        return None
    if feature in LOGARITHMIC:
        found = [math.log(value) for value in found]
    return to_unit(found) if len(set(found)) > 1 else None


def ridge(design: Points, values: Values, penalty: float) -> Values:
    """Return the coefficients; the constant, which comes first, is not shrunk."""
    shrink = penalty * np.eye(design.shape[1])
    shrink[0, 0] = 0.0
    normal = design.T @ design + shrink + 1e-9 * np.eye(len(shrink))
    return np.linalg.solve(normal, design.T @ values)


def left_out(design: Points, values: Values, penalty: float) -> Values:
    """Return the error of each trial's prediction from the other trials."""
    everyone = np.arange(len(values))
    errors = []
    for one in everyone:
        others = everyone != one
        errors.append(values[one] - design[one] @ ridge(design[others], values[others], penalty))
    return np.array(errors)


def fit(name: str, log: Path) -> dict[str, Any]:
    """Return the landscape of a study, and where it comes from."""
    points, values = table_of(log, TABLES[name])
    values = np.minimum(values, np.quantile(values, 0.9))
    values = (values - values.mean()) / values.std()
    design = terms(points)
    errors = {penalty: left_out(design, values, penalty) for penalty in PENALTIES}
    penalty = min(errors, key=lambda penalty: float((errors[penalty] ** 2).sum()))
    explained = 1 - (errors[penalty] ** 2).mean()
    chance = np.random.default_rng(0)
    samples = chance.integers(len(values), size=(REFITS, len(values)))
    refits = [ridge(design[rows], values[rows], penalty) for rows in samples]
    gap = float(np.median(values) - values.min())
    noise = float(errors[penalty].std()) / gap
    return {
        "source": SOURCES[name],
        "log": log.name,
        "sha256": hashlib.sha256(log.read_bytes()).hexdigest(),
        "trials": len(values),
        "features": [FEATURES[place] for place in np.flatnonzero(points.std(axis=0))],
        "penalty": float(penalty),
        "explained": round(float(explained), 3),
        "noise": round(min(MOST_NOISE, max(LEAST_NOISE, noise)), 3),
        "coefficients": [[round(float(number), 5) for number in refit] for refit in refits],
    }


def refit(pairs: list[str]) -> None:
    """Fit NAME=LOG… and write them to the file of fitted landscapes."""
    known = json.loads(FITTED_FILE.read_text()) if FITTED_FILE.exists() else {}
    for pair in pairs:
        name, _, log = pair.partition("=")
        known[name] = fit(name, Path(log))
        about = {key: known[name][key] for key in ("log", "trials", "explained", "noise")}
        print(name, about)
    FITTED_FILE.write_text(json.dumps(known, separators=(",", ":")) + "\n")
