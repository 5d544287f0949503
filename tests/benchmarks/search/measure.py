"""Simulated studies: every method on the same landscapes, with the same noise.

A seed decides the budget and the kind of landscape, each of which it meets in turn, so that the
studies of two methods are pairs. Regret is that of the trial with the lowest value *seen*: 0 at
the best configuration of the grid, 1 at the median of random ones.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from .grids import AXES, BUDGETS, FEATURES, Grid, Points, grid_of
from .landscapes import ANALYTIC, FITTED, Landscape, landscape
from .methods import METHODS, Method

KINDS = (*ANALYTIC, *FITTED)
LOOKS = (10, 25, 50)  # trials after which regret is taken
EVALUATIONS, PRUNE_FROM = 10, 0.2  # of a learning curve; the share that no pruner cuts
Record = dict[str, Any]


def simulate(name: str, budget: str, seed: int, *, curves: bool = False) -> Record:
    """Simulate one study; with `curves` a trial has a learning curve, and the pruner acts."""
    grid = grid_of(budget)
    land = landscape(KINDS[seed % len(KINDS)], seed, grid)
    method = METHODS[name](grid, seed)
    noise = np.random.default_rng([seed, LOOKS[-1]])
    trials = [run_trial(method, grid, land, noise, curves=curves) for _ in range(LOOKS[-1])]
    leads = [min(trials[:look], key=lambda trial: trial["seen"]) for look in LOOKS]
    ended = [trial["config"] for trial in trials]
    first = [config["arch_idx"] for config in ended[: LOOKS[0]]]
    ends = set().union(*(grid.ends_of(arch_idx) for arch_idx in first))
    epochs = sum(trial["epochs"] for trial in trials) / sum(config["epochs"] for config in ended)
    return {
        "regret": [round(lead["true"], 4) for lead in leads],
        "best": round(min(trial["true"] for trial in trials), 4),
        "ends": round(len(ends) / (2 * len(AXES)), 4),
        "repeats": len(ended) - len({tuple(sorted(config.items())) for config in ended}),
        "architectures": len({config["arch_idx"] for config in ended}),
        "epochs": round(float(epochs), 4),
    }


def run_trial(
    method: Method, grid: Grid, land: Landscape, noise: np.random.Generator, *, curves: bool
) -> Record:
    """Train one configuration in pretence; a diverged training ends after a tenth."""
    config = method.ask()
    point = grid.point(config)
    true = float(land.value(point[None])[0])
    jitter = noise.normal(0, 1, EVALUATIONS + 1)
    seen, share, pruned = true + land.noise * jitter[-1], 1.0, False
    if curves and not math.isnan(true):
        seen, share, pruned = follow(method, point, seen, jitter[:-1] * land.noise / 4)
    method.tell(seen, pruned=pruned)
    if math.isnan(true):
        return {"seen": math.inf, "true": 1.0, "config": config, "epochs": 0.1 * config["epochs"]}
    return {"seen": seen, "true": true, "config": config, "epochs": share * config["epochs"]}


def follow(
    method: Method, point: Points, last: float, jitter: Points
) -> tuple[float, float, bool]:
    """Return the best evaluation, the share of the epochs that was trained, and if it was pruned.

    Curves fall exponentially to their end, later for deep networks, low rates and long warm-ups.
    """
    names = ("aspect", "learning_rate", "warmup_steps")
    aspect, rate, warm = (point[FEATURES.index(name)] for name in names)
    speed = 4 + 3 * aspect + 3 * rate - 2 * warm
    best = math.inf
    for step in range(1, EVALUATIONS + 1):
        share = step / EVALUATIONS
        value = last + 1.5 * math.exp(-speed * share) + jitter[step - 1]
        best = min(best, value)
        if method.report(step, value) and share > PRUNE_FROM:
            return best, share, True
    return best, 1.0, False


def installed(name: str) -> bool:
    """Return whether the packages of a method are there; say so if not."""
    try:
        METHODS[name](grid_of("2M"), 0)
    except ImportError as problem:
        print(f"{name}: left out ({problem})", file=sys.stderr, flush=True)
        return False
    return True


def studies(name: str, seeds: range, *, curves: bool = False) -> dict[str, Record]:
    """Simulate a method over seeds, each with one of the budgets."""
    budgets = {seed: BUDGETS[seed // len(KINDS) % len(BUDGETS)] for seed in seeds}
    return {
        f"{budget} {seed}": simulate(name, budget, seed, curves=curves)
        for seed, budget in budgets.items()
    }
