"""How often the interval of `hpogen report --scaling` holds a planted exponent.

    python tests/benchmarks/scaling.py [--draws N] [--json FILE]

Each draw is a ladder of studies with a known law: random search over a learning rate and a
dropout, trials near the optimum, noise of the seed. A case counts the draws whose interval holds
the exponent, and how far the law and the rule "as the budget before" miss the largest budget,
which is held out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hpogen.report.view import StudyView
from hpogen.scaling.exponent_interval import answer_of
from hpogen.scaling.held_out import held_out
from hpogen.scaling.studies_that_qualify import Cell
from ladders import Truth, architecture_of
from recover_trials import Study, Trial


class Case(NamedTuple):
    """A law, and the ladder on which it is looked for."""

    factor: float
    exponent: float
    floor: float
    budgets: int
    largest: int
    noise: float
    trials: int
    reruns: int = 0  # of the best trial, whose mean is then the loss

    @property
    def truth(self) -> Truth:
        return Truth(self.factor, self.exponent, self.floor, noise=self.noise)


SMALLEST = 50_000
CASES = [
    Case(20, 0.3, 0.0, 4, 2_000_000, 0.005, 20),
    Case(20, 0.3, 0.0, 6, 2_000_000, 0.005, 20),
    Case(20, 0.3, 0.0, 6, 2_000_000, 0.02, 20),
    Case(3, 0.1, 0.0, 5, 2_000_000, 0.01, 12),
    Case(20, 0.3, 0.3, 5, 2_000_000, 0.005, 20),
    Case(20, 0.3, 0.3, 6, 50_000_000, 0.02, 20),
    Case(20, 0.3, 0.05, 6, 2_000_000, 0.01, 20),
    Case(200, 0.5, 0.3, 7, 50_000_000, 0.01, 25),
    Case(20, 0.3, 0.0, 6, 2_000_000, 0.02, 20, reruns=3),
    Case(20, 0.3, 0.3, 6, 50_000_000, 0.02, 20, reruns=3),
]


def ladder(case: Case, rng: np.random.Generator) -> Iterator[Cell]:
    """Yield a study per budget, without the way through a log."""
    for budget in np.geomspace(SMALLEST, case.largest, case.budgets):
        arch = architecture_of(budget * rng.uniform(0.85, 1.15))
        half = case.trials // 2
        off = np.r_[rng.uniform(-1, 1, half), rng.normal(0, 0.15, case.trials - half)]
        dropout = np.r_[rng.uniform(0, 0.5, half), abs(rng.normal(0, 0.05, case.trials - half))]
        noise = rng.normal(0, case.noise, case.trials)
        regret = case.truth.regret * (off**2 + dropout**2)
        losses = case.truth.loss(arch["param_count"]) * np.exp(regret + noise)
        study = Study("a", "a", "a.log", {"budget": int(budget), "direction": "minimize"})
        for number, loss in enumerate(losses.tolist()):
            study.trials[number] = [Trial(number, "COMPLETE", (loss,), user_attrs=arch)]
        best = int(losses.argmin())
        winner = study.trials[best][0]
        if case.reruns:
            again = losses[best] * np.exp(rng.normal(0, case.noise, case.reruns) - noise[best])
            yield Cell(StudyView(study), winner, again.mean(), case.reruns, again.tolist())
        else:
            yield Cell(StudyView(study), winner, float(losses[best]), 1, losses.tolist())


def measured(case: Case, draws: int) -> dict[str, Any]:
    """Return coverage, width and errors of a case."""
    rng = np.random.default_rng(0)
    inside, widths, by_law, by_rule, predicted = 0, [], [], [], 0
    for _ in range(draws):
        cells = list(ladder(case, rng))
        low, high = answer_of(cells).interval
        inside += low <= case.exponent <= high
        widths.append(high - low)
        if found := held_out(cells):
            by_law.append(abs(found.predicted[0] / found.cell.loss - 1))
            by_rule.append(abs(found.before / found.cell.loss - 1))
            predicted += found.is_inside
    n = len(by_law)
    return {
        **case._asdict(),
        "draws": draws,
        "inside": inside / draws,
        "width": median(widths),
        "held_out_inside": predicted / n if n else None,
        "law_misses": median(by_law) if by_law else None,
        "rule_misses": median(by_rule) if by_rule else None,
    }


def main() -> None:
    """Measure all cases; print them, and write them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = []
    for case in CASES:
        found.append(measured(case, arguments.draws))
        print(json.dumps(found[-1]), flush=True)
    if arguments.json:
        arguments.json.write_text(f"{json.dumps(found, indent=1)}\n")


if __name__ == "__main__":
    main()
