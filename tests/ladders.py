"""Ladders of studies with a planted scaling law, as logs: for tests, benchmarks and the docs."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpo_script.experiment.block_parameter_count import block_params
from recover_samples import SampleLog2

SPACE = {
    "shape_idx": {"name": "IntDistribution", "attributes": {"low": 0, "high": 5}},
    "learning_rate": {
        "name": "FloatDistribution",
        "attributes": {"low": 1e-5, "high": 0.1, "log": True},
    },
    "dropout": {"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 0.5}},
}


@dataclass(frozen=True)
class Truth:
    """A planted law: the best loss is factor · N^-exponent + floor.

    Attributes:
        best_rate: best learning rate at a million parameters; it falls with the root of N.
        noise: relative standard deviation of a loss between seeds.
        regret: relative loss of the worst learning rate of the search.
    """

    factor: float = 20.0
    exponent: float = 0.3
    floor: float = 0.0
    best_rate: float = 2e-3
    noise: float = 0.005
    regret: float = 0.3

    def loss(self, n: float) -> float:
        return self.factor * n**-self.exponent + self.floor

    def rate(self, n: float) -> float:
        return self.best_rate * (n / 1e6) ** -0.5


def architecture_of(budget: float) -> dict[str, int]:
    """Return an architecture of about a budget, with its exact number of parameters."""
    n_layers = max(2, round(math.log10(budget)) - 2)
    d_model = max(8, 4 * round((budget / (12 * n_layers)) ** 0.5 / 4))
    d_ff = 4 * d_model
    total = (256 + 64) * d_model + n_layers * block_params(d_model, d_ff) + 2 * d_model
    sizes = {"d_model": d_model, "n_layers": n_layers, "n_heads": 4, "d_ff": d_ff}
    return {"arch_idx": 0, **sizes, "param_count": total}


def study_log(
    truth: Truth, budget: int, *, trials: int = 20, seed: int = 0, since: float = 0, **about: Any
) -> SampleLog2:
    """Return the log of a study that searches learning rate and dropout.

    The second half of the trials is near the optimum, as with a good sampler. `since`: seconds
    after the start of the sample logs.
    """
    rng = random.Random(f"{seed} {budget}")  # noqa: S311
    arch = architecture_of(budget)
    log = SampleLog2(f"{rng.getrandbits(48):012x}", since=since)
    stated = {"n_trials": trials, "seed": seed, "data_sha256": "ab" * 32, "search_space": SPACE}
    log.open_run(**{"name": f"hpo_{budget // 1000}K_h1", "budget": budget, **stated, **about})
    for number in range(trials):
        near = number >= trials // 2
        off = rng.gauss(0, 0.15) if near else rng.uniform(-1, 1)
        dropout = min(abs(rng.gauss(0, 0.05)), 0.5) if near else rng.uniform(0, 0.5)
        regret = truth.regret * (off**2 + dropout**2)
        value = truth.loss(arch["param_count"]) * math.exp(regret + rng.gauss(0, truth.noise))
        rate = truth.rate(arch["param_count"]) * 10**off
        end_trial(log, number, value, arch, {"learning_rate": rate, "dropout": dropout})
    return log


def end_trial(
    log: SampleLog2,
    number: int,
    value: float,
    arch: dict[str, int],
    params: dict[str, float],
    curve: Sequence[float] | None = None,
    **attributes: Any,
) -> None:
    """Append the lines of a trial; without a curve, its last loss is not its best."""
    fields = {**arch, "shape_idx": 3, **params}
    log.start(number, **fields)
    losses = curve or [value * share for share in (1.3, 1.05, 1.0, 1.001)]
    log.curves[number] = [{"epoch": n, "val_loss": loss} for n, loss in enumerate(losses, 1)]
    seconds = arch["param_count"] / 2e4
    costs = {"train_flops": 6 * arch["param_count"] * 10**6}
    costs |= {"train_seconds": seconds, "seconds": seconds}
    log.end(number, value=value, **fields, **costs, **attributes)


def write_ladder(
    folder: Path, truth: Truth, budgets: list[int], trials: int = 20, seed: int = 0, **about: Any
) -> list[Path]:
    """Write a log per budget; return the paths."""
    paths = []
    for budget in budgets:
        log = study_log(truth, budget, trials=trials, seed=seed, **about)
        paths.append(folder / f"ladder_{budget // 1000}K.log")
        paths[-1].write_text("".join(f"{line}\n" for line in log.lines))
    return paths
