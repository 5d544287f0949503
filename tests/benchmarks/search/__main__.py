"""Compare search methods: `python -m search [--quick] [--seeds N] [--json FILE]`.

python -m search                      simulate the studies and print the tables (hours)
python -m search --quick              one study of each fast method (under a minute)
python -m search --only ours --json F these methods anew; the others from the JSON file
python -m search --ladders --json F    warm starts on ladders of two budgets only
python -m search fit NAME=LOG…        fit the landscapes of real studies again
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import optuna

from . import fit, ladder, measure, tabular
from .methods import METHODS, SLOW
from .table import table

CURVES = ("ours", "predecessor", "random")
QUICK, CURVE_SEEDS, TABLE_SEEDS = range(1), 80, 5


def simulated(arguments: argparse.Namespace, results: dict[str, Any]) -> dict[str, Any]:
    """Return the results: known ones, and those of the chosen methods."""
    seeds = QUICK if arguments.quick else range(arguments.first, arguments.first + arguments.seeds)
    chosen = arguments.only or [name for name in METHODS if not (arguments.quick and name in SLOW)]
    results |= {"optuna": optuna.__version__, "kinds": measure.KINDS}
    known = {group: results.setdefault(group, {}) for group in ("methods", "curves", "tabular")}
    for name in filter(measure.installed, chosen):
        print(f"{name} …", file=sys.stderr, flush=True)
        few = seeds[: SLOW.get(name, len(seeds))]
        known["methods"][name] = measure.studies(name, few)
        if name in CURVES:
            known["curves"][name] = measure.studies(name, few[:CURVE_SEEDS], curves=True)
    if not arguments.quick and not arguments.only:
        results["tabular"] = tables(seeds)
        results["ladders"] = ladder.studies(seeds)
    return results


def tables(seeds: range) -> dict[str, Any]:
    """Return the results on tables of real trainings, or none if their package is missing."""
    try:
        return tabular.studies(seeds[:TABLE_SEEDS])
    except ImportError as problem:
        print(f"tables of real trainings: left out ({problem})", file=sys.stderr)
        return {}


def main() -> None:
    """Simulate and print the tables, or fit landscapes."""
    if sys.argv[1:2] == ["fit"]:
        fit.refit(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="search", description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=160, help="studies per method (default 160)")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--quick", action="store_true", help="one seed, no slow methods")
    parser.add_argument("--only", nargs="+", choices=METHODS, help="these methods only")
    parser.add_argument("--ladders", action="store_true", help="warm starts only")
    parser.add_argument("--json", type=Path, help="add the results to a JSON file")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    known: dict[str, Any] = {}
    if arguments.json and arguments.json.exists():
        known = json.loads(arguments.json.read_text())
    if arguments.ladders:
        seeds = range(arguments.first, arguments.first + arguments.seeds)
        results = known | {"ladders": ladder.studies(seeds)}
    else:
        results = simulated(arguments, known)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, separators=(",", ":")) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
