"""Compare ways of drawing parameters, by the regret of what a study of 50 trials would choose.

    python experiments/samplers/compare.py --seeds 80 --out results.json

A study of a rendered script is simulated: its own architectures, search space, extremes and
sampler, and in place of training three kinds of made-up landscapes (optimum and curvature drawn by
seed) with noise of SD 0.2, as of training seeds. Regret is 0 at the best of 4,000 random
configurations and 1 at their median; it is that of the trial with the lowest value *seen*. Run it
with each version of Optuna and the same --out: results are added. 80 seeds take ten minutes.
"""

from __future__ import annotations

import argparse
import json
import math
import runpy
import statistics
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from hpogen.rendering.render import render
from hpogen.spec import make_spec

BUDGETS = ("2M", "2B")
LANDSCAPES = ("bowl", "valley", "ridge")
NOISE, TRIALS, HALF, REFERENCE = 0.2, 50, 25, 4000
Params = Mapping[str, Any]
Cell = dict[str, Any]


def script_of(budget: str) -> dict[str, Any]:
    """Render a script and return its names."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "script.py")
        path.write_text(render(make_spec(budget=budget, horizon=1)))
        return runpy.run_path(str(path))


def landscape(kind: str, seed: int, script: Mapping[str, Any]) -> Callable[[Params], float]:
    """Return the true value of a configuration."""
    draw = np.random.default_rng([LANDSCAPES.index(kind), seed]).uniform
    rows, choices = script["ARCHITECTURES"], script["SEARCH_SPACE"]
    aspects = [math.log2(row["d_model"] / row["n_layers"]) for row in rows]
    low, wide = min(aspects), max(aspects) - min(aspects)
    best = {
        "aspect": draw(0, 1),
        "heads": draw(1, 5),
        "rate": draw(math.log(1e-4), math.log(1e-3)),
        "decay": draw(math.log(1e-4), math.log(5e-3)),
        "dropout": draw(0.1, 0.3),
    }
    steepness, coupling = draw(0.5, 2.0), draw(-0.5, 0.5)
    offsets = {
        name: dict(zip(choices[name]["choices"], draw(-0.3, 0.3, 9), strict=False))
        for name in ("epochs", "warmup_steps")
    }

    def value(params: Params) -> float:
        row = rows[script["SPACE"].decode(params)]
        aspect = (math.log2(row["d_model"] / row["n_layers"]) - low) / wide - best["aspect"]
        rate = (math.log(params["learning_rate"]) - best["rate"] - coupling * aspect) / 2.3
        shape = {"bowl": 2 * aspect**2, "valley": abs(aspect), "ridge": 2 * aspect**2}[kind]
        slope = {"bowl": 2 * rate**2, "valley": 2 * rate**2, "ridge": 1.5 * abs(rate)}[kind]
        return (
            steepness * shape
            + slope
            + 0.5 * aspect * rate * (kind == "ridge")
            + 0.05 * (math.log2(row["n_heads"]) - best["heads"]) ** 2
            + 20 * (params["dropout"] - best["dropout"]) ** 2
            + 0.1 * (math.log(params["weight_decay"]) - best["decay"]) ** 2
            + sum(offset[params[name]] for name, offset in offsets.items())
        )

    return value


def at_random(searched: Mapping[str, Params], chance: np.random.Generator) -> Params:
    """Return a configuration drawn evenly from the search space."""
    found: dict[str, Any] = {}
    for name, entry in searched.items():
        if entry["type"] == "categorical":
            found[name] = entry["choices"][chance.integers(len(entry["choices"]))]
        elif entry["type"] == "int":
            found[name] = int(chance.integers(entry["low"], entry["high"] + 1))
        elif entry["log"]:
            found[name] = math.exp(chance.uniform(math.log(entry["low"]), math.log(entry["high"])))
        else:
            found[name] = chance.uniform(entry["low"], entry["high"])
    return found


def regrets(kind: str, seed: int, script: Mapping[str, Any]) -> list[float]:
    """Simulate one study; return the regret after half of its trials and after all."""
    value = landscape(kind, seed, script)
    chance, searched = np.random.default_rng([seed, REFERENCE]), script["searched"]()
    known = sorted(value(at_random(searched, chance)) for _ in range(REFERENCE))
    noise = np.random.default_rng([seed, TRIALS])
    study = optuna.create_study(sampler=script["KeyedSampler"](seed))
    for arch_idx in script["EXTREME_INDICES"]:
        study.enqueue_trial(script["SPACE"].encode(arch_idx))
    lead, found = (math.inf, math.inf), []
    for number in range(1, TRIALS + 1):
        trial = study.ask()
        true = value(script["suggest"](trial))
        seen = true + noise.normal(0, NOISE)
        study.tell(trial, seen)
        lead = min(lead, (seen, true))
        if number in (HALF, TRIALS):
            found.append((lead[1] - known[0]) / (known[REFERENCE // 2] - known[0]))
    return found


def cells(seeds: int) -> Iterator[Cell]:
    """Simulate every kind of study, with parameters drawn one by one and together."""
    for budget in BUDGETS:
        script = script_of(budget)
        for kind in LANDSCAPES:
            for multivariate in (False, True):
                script["SAMPLER"]["multivariate"] = multivariate
                both = [regrets(kind, seed, script) for seed in range(seeds)]
                half, end = zip(*both, strict=True)
                cell = {"optuna": optuna.__version__, "multivariate": multivariate}
                yield {**cell, "budget": budget, "landscape": kind, "half": half, "end": end}


def merged(found: list[Cell], name: str) -> dict[tuple[str, bool], list[float]]:
    """Return the regrets of each version and way, in the same order."""
    groups: dict[tuple[str, bool], list[float]] = {}
    for cell in sorted(found, key=lambda cell: (cell["budget"], cell["landscape"])):
        groups.setdefault((cell["optuna"], cell["multivariate"]), []).extend(cell[name])
    return groups


def table(found: list[Cell]) -> str:
    """Return the mean regrets as Markdown, and what drawing one by one costs, with its error."""
    half, end = merged(found, "half"), merged(found, "end")
    head = ["Optuna", "`multivariate`", "studies", f"regret after {HALF}", f"after {TRIALS}"]
    lines = [f"| {' | '.join([*head, 'what one by one costs'])} |", "| --- " * 6 + "|"]
    for version, multivariate in sorted(end):
        own, alone = end[version, multivariate], end[version, False]
        more = [one - two for one, two in zip(alone, own, strict=True)]
        error = 1.96 * statistics.stdev(more) / math.sqrt(len(more))
        costs = f"{statistics.mean(more):+.3f} ± {error:.3f}" if multivariate else ""
        means = statistics.mean(half[version, multivariate]), statistics.mean(own)
        lines.append(
            f"| {version} | `{str(multivariate).lower()}` | {len(own)} | {means[0]:.3f}"
            f" | {means[1]:.3f} | {costs} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Simulate and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=80)
    parser.add_argument("--out", type=Path, help="add the results to a JSON file")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    known: list[Cell] = []
    if arguments.out and arguments.out.exists():
        known = json.loads(arguments.out.read_text())
    others = [cell for cell in known if cell["optuna"] != optuna.__version__]
    found = json.loads(json.dumps([*others, *cells(arguments.seeds)]))
    if arguments.out:
        arguments.out.write_text(json.dumps(found) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
