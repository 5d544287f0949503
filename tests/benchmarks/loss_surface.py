"""Laws of size and tokens: intervals on planted laws, and the fits of others on public runs.

    python tests/benchmarks/loss_surface.py [--draws N] [--runs FILE] [--json FILE]

Each draw is a grid of compute budgets and sizes with a known law and noise; a case counts the
draws whose intervals hold α, β and the exponent of the best size. `--runs` fits a CSV file with
the columns flops_budget, params_total, tokens_trained and val_loss by hpogen, and by the package
`chinchilla` with the objective of Hoffmann et al. 2022 and 432 starting points.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from hpogen.report.view import StudyView
from hpogen.scaling.loss_surface import Surface, fit_surface
from hpogen.scaling.training_runs import Run, runs_by_convention
from recover_trials import read_trials

TRUTH = Surface(0.34, 0.37, 1.8, 400.0, 2000.0)  # near that of Hoffmann et al.
NAMES = ("alpha", "beta", "floor")
SIZE_EXPONENT = TRUTH.beta / (TRUTH.alpha + TRUTH.beta)  # of the runs here: C = 6 N D
BEST = (TRUTH.alpha * TRUTH.size_factor / TRUTH.beta / TRUTH.token_factor) ** (
    1 / (TRUTH.alpha + TRUTH.beta)
)
WORST = 5  # runs with the highest loss, which Besiroglu et al. 2024 (arXiv 2404.10102) leave out


class Case(NamedTuple):
    """A grid of runs: compute budgets, sizes per budget, relative noise of the loss."""

    lowest: float
    highest: float
    budgets: int
    sizes: int
    noise: float


CASES = [
    Case(1e18, 1e19, 4, 6, 0.003),
    Case(1e18, 1e20, 5, 5, 0.003),
    Case(1e18, 3e21, 9, 8, 0.01),
]


def grid(case: Case, rng: np.random.Generator) -> Iterator[Run]:
    """Yield the runs of a grid: sizes from a quarter to four times the best one."""
    for flops in np.geomspace(case.lowest, case.highest, case.budgets):
        best = BEST * (flops / 6) ** SIZE_EXPONENT
        for factor in np.geomspace(1 / 4, 4, case.sizes):
            size = best * factor
            tokens = flops / 6 / size
            loss = TRUTH.loss(size, tokens) * np.exp(rng.normal(0, case.noise))
            yield Run("", size, tokens, flops, loss)


def coverage(case: Case, draws: int) -> dict[str, Any]:
    """Return how many intervals hold the planted law, and the width of that of the best size."""
    rng = np.random.default_rng(0)
    inside, widths = dict.fromkeys((*NAMES, "size_exponent"), 0), []
    for _ in range(draws):
        fit = fit_surface(list(grid(case, rng)))
        for name in NAMES:
            low, high = fit.interval(attrgetter(name))
            inside[name] += low <= getattr(TRUTH, name) <= high
        low, high = fit.interval(fit.size_exponent)
        inside["size_exponent"] += low <= SIZE_EXPONENT <= high
        widths.append(high - low)
    shares = {name: count / draws for name, count in inside.items()}
    return {**case._asdict(), "draws": draws, **shares, "width": median(widths)}


def by_hpogen(runs: list[Run]) -> dict[str, Any]:
    """Return the law and its intervals."""
    fit = fit_surface(runs)
    intervals = {f"{name} interval": fit.interval(attrgetter(name)) for name in NAMES}
    return {
        **law_of(fit.law),
        "size_exponent": fit.size_exponent(fit.law),
        **intervals,
        "size_exponent interval": fit.interval(fit.size_exponent),
    }


def by_chinchilla(runs: list[Run]) -> dict[str, Any]:
    """Return the law of the package `chinchilla` 0.2."""
    from chinchilla import Chinchilla
    from chinchilla._metrics import log_huber

    def objective(true: Any, predicted: Any) -> Any:
        return log_huber(true, predicted, delta=0.001)

    starts = {
        "e": np.linspace(-1, 1, 3),
        "a": np.linspace(0, 15, 4),
        "b": np.linspace(0, 15, 4),
        "alpha": np.linspace(0, 1, 3),
        "beta": np.linspace(0, 1, 3),
    }
    with tempfile.TemporaryDirectory() as folder:
        package = Chinchilla(folder, param_grid=starts, loss_fn=objective, log_level=50)
        for run in runs:
            package.database.append(N=run.size, D=run.tokens, loss=run.loss)
        package.fit()
    return law_of(Surface(package.alpha, package.beta, package.E, package.A, package.B))


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children."""
    return sum(os.times()[:4])


def law_of(law: Surface) -> dict[str, float]:
    """Return a law as a record."""
    found = {name: float(getattr(law, name)) for name in (*NAMES, "size_factor", "token_factor")}
    return {**found, "size_exponent": float(law.beta / (law.alpha + law.beta))}


def public(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the laws of a file of runs, of all runs and without the worst ones."""
    (study,) = read_trials([path]).studies
    (runs,) = runs_by_convention([StudyView(study)])
    worst = sorted(runs.used, key=lambda run: -run.loss)[:WORST]
    fewer = [run for run in runs.used if run not in worst]
    programs: dict[str, Callable[[list[Run]], dict[str, Any]]] = {
        "hpogen": by_hpogen,
        "chinchilla": by_chinchilla,
    }
    for used in (runs.used, fewer):
        for name, law in programs.items():
            start = cpu_seconds()
            try:
                found = law(used)
            except ImportError as missing:
                print(f"{name} is left out: {missing}", file=sys.stderr)
                continue
            seconds = cpu_seconds() - start
            yield {"program": name, "runs": len(used), **found, "cpu_seconds": seconds}


def main() -> None:
    """Measure all cases and the file; print them, and write them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--draws", type=int, default=60)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results: dict[str, list[dict[str, Any]]] = {"planted": [], "public": []}
    for record in public(arguments.runs) if arguments.runs else ():
        print(json.dumps(record), flush=True)
        results["public"].append(record)
    for case in CASES if arguments.draws else ():
        results["planted"].append(coverage(case, arguments.draws))
        print(json.dumps(results["planted"][-1]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
