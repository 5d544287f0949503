"""Warm starts: ladders of two budgets, a cold study at each and warm ones at the second.

Both budgets share a landscape, moved between them: the best learning rate falls, and every other
optimum moves a little. A fitted landscape is another bootstrap refit at the second budget.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import optuna

from hpogen.spec import make_spec
from hpogen.spec.warm_start import carried
from recover_trials import Study, Trial

from .grids import BUDGETS, FEATURES, Config, Grid, Points, grid_of
from .landscapes import (
    ANALYTIC,
    FITTED,
    MUCH_NOISE,
    N_RANDOM,
    NOISE,
    RATE,
    Landscape,
    Values,
    analytic,
    draw_shape,
    fitted,
    landscape,
    optimum,
)
from .measure import KINDS, Record, run_trial
from .methods import OptunaMethod, scripted

RATE_FALL, MOVES = 0.15, 0.07  # of the range: of the rate per budget, SD of every optimum
SOURCE_TRIALS, LOOKS = 50, (10, 25)


class Way(NamedTuple):
    """A search at the second budget, by what it takes from the first."""

    first: int = 0  # configurations tried before the extremes
    after: int = 0  # or after them
    extremes: bool = True
    prior: bool = False  # every trial of the first budget is known to the sampler


WAYS = {
    "cold": Way(),
    "4 before the extremes": Way(first=4),
    "4 after the extremes": Way(after=4),
    "4, no extremes": Way(first=4, extremes=False),
    "as a prior, no extremes": Way(prior=True, extremes=False),
    "4 and as a prior, no extremes": Way(first=4, prior=True, extremes=False),
}


def moved(kind: str, seed: int, grid: Grid) -> Landscape:
    """Return the landscape of a kind and seed at the next budget."""
    chance = np.random.default_rng([seed, 1, (*ANALYTIC, *FITTED).index(kind)])
    raw: Callable[[Points], Values]
    noise = MUCH_NOISE if kind == "noisy" else NOISE
    if kind in ANALYTIC:
        own = np.random.default_rng([seed, (*ANALYTIC, *FITTED).index(kind)])
        shape = draw_shape(kind, own)
        moves = chance.normal(0, MOVES, len(FEATURES))
        moves[RATE] -= RATE_FALL
        optima = (shape.optima + moves).clip(0, 1)
        raw = partial(analytic, shape._replace(optima=optima, edge=shape.edge + moves[RATE]))
    else:
        raw, noise = fitted(kind, chance)
    known = grid.random_points(N_RANDOM, chance)
    values = raw(known)
    median, best = float(np.nanmedian(values)), optimum(raw, known, values, grid, chance)
    return Landscape(lambda points: (raw(points) - best) / (median - best), noise)


def as_trial(number: int, record: Record, grid: Grid) -> Trial:
    """Return a simulated trial as recover-trials reads it."""
    config: Config = record["config"]
    sizes = grid.rows[config["arch_idx"]]
    done = np.isfinite(record["seen"])
    return Trial(
        number,
        "COMPLETE" if done else "FAIL",
        (float(record["seen"]),) if done else (),
        params={name: value for name, value in config.items() if name in grid.searched},
        user_attrs={"arch_idx": config["arch_idx"], **sizes},
    )


def warm(grid: Grid, seed: int, known: list[tuple[Config, float]], way: Way) -> OptunaMethod:
    """Return the script's search at the second budget; `known`: configurations, the best first."""
    method, space = scripted(grid, seed, extremes=False), grid.script["SPACE"]
    params = [
        {
            **space.encode(config["arch_idx"]),
            **{n: v for n, v in config.items() if n != "arch_idx"},
        }
        for config, _ in known
    ]
    forced = [space.encode(idx) for idx in grid.extremes] if way.extremes else []
    for given in [*params[: way.first], *forced, *params[: way.after]]:
        method.study.enqueue_trial(given)
    for given, (_, value) in zip(params, known, strict=True) if way.prior else ():
        distributions = grid.script["distributions"]()
        method.study.add_trial(
            optuna.trial.create_trial(value=value, params=given, distributions=distributions)
        )
    return method


def ladder(seed: int) -> dict[str, list[float]]:
    """Return the regrets of every way at the second budget of one ladder."""
    kind = KINDS[seed % len(KINDS)]
    place = seed // len(KINDS) % (len(BUDGETS) - 1)
    old, new = grid_of(BUDGETS[place]), grid_of(BUDGETS[place + 1])
    source = scripted(old, seed)
    noise, land = np.random.default_rng([seed, 2]), landscape(kind, seed, old)
    records = [run_trial(source, old, land, noise, curves=False) for _ in range(SOURCE_TRIALS)]
    study = Study("source", "source", "source")
    study.trials = {k: [as_trial(k, record, old)] for k, record in enumerate(records)}
    spec = make_spec(budget=new.budget, horizon=1)
    values = sorted(record["seen"] for record in records if np.isfinite(record["seen"]))
    known = [*zip(carried(spec, study, [], most=len(values)), values, strict=False)]
    target = moved(kind, seed, new)
    return {
        name: regrets(warm(new, seed, known, way), new, target, seed) for name, way in WAYS.items()
    }


def regrets(method: OptunaMethod, grid: Grid, land: Landscape, seed: int) -> list[float]:
    """Return the regret of the trial with the lowest value seen, after each number of trials."""
    noise = np.random.default_rng([seed, 3])
    trials = [run_trial(method, grid, land, noise, curves=False) for _ in range(LOOKS[-1])]
    leads = [min(trials[:look], key=lambda trial: trial["seen"]) for look in LOOKS]
    return [round(lead["true"], 4) for lead in leads]


def studies(seeds: range) -> dict[str, dict[str, Any]]:
    """Return {way: {seed: regrets}}."""
    found: dict[str, dict[str, Any]] = {way: {} for way in WAYS}
    for seed in seeds:
        print(f"ladder {seed} …", file=sys.stderr, flush=True)
        for way, values in ladder(seed).items():
            found[way][str(seed)] = {"regret": values}
    return found
