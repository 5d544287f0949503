"""Compare the inputs that a market model may have, over seeds, horizons, folds and two indices.

    python experiments/inputs/compare.py sp500.csv nasdaq.csv --out results.json

Each cell trains the same small PatchTST (64 wide, 3 layers, 8 heads) with the training part of a
rendered script, and keeps the best epoch by validation loss. A fold of the walk-forward trains on
the rows before its validation block; the last fold is the default split. Results are written after
each cell, and a second run continues. One core needs about two hours.
"""

from __future__ import annotations

import argparse
import itertools
import json
import runpy
import statistics
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from hpogen.rendering.render import render
from hpogen.spec import make_spec

CHOICES = {
    "linear start": {"inputs": "scale_free", "start": "linear"},
    "scale_free": {"inputs": "scale_free", "start": "none"},
    "revin": {"inputs": "revin", "start": "none"},
    "revin_stats": {"inputs": "revin_stats", "start": "none"},
}
BASELINES = ("daily range", "linear start")
FOLDS = (0.4, 0.55, 0.7)  # the training share; 0.15 of the rows validate. The last is the default
CONFIG = {
    "learning_rate": 3e-4,
    "weight_decay": 1e-3,
    "dropout": 0.2,
    "warmup_steps": 50,
    "epochs": 40,
    "patience": 8,
    "min_delta": 0.0,
}
Cell = dict[str, Any]


def script_of(choice: str, horizon: int, data: Path, fold: float) -> dict[str, Any]:
    """Render a script and return its names."""
    spec = make_spec(
        budget="150K",
        horizon=horizon,
        data=str(data),
        options=CHOICES[choice],
        overrides=[f"splits.train_fraction={fold}"],
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "script.py")
        path.write_text(render(spec))
        return runpy.run_path(str(path))


def run_cell(choice: str, horizon: int, data: Path, fold: float, seeds: int) -> Cell:
    """Train one kind of inputs with several seeds; return the best epoch of each."""
    script = script_of(choice, horizon, data, fold)
    task = script["Task"](str(data), None)
    device = torch.device("cpu")
    task.load(device)
    arch = {"d_model": 64, "n_layers": 3, "n_heads": 8, "d_ff": 256}
    config = {**script["FIXED_PARAMS"], **CONFIG}
    best_points = []
    for seed in range(seeds):
        curve: list[dict[str, Any]] = []
        training = script["Training"](task, arch, config, (seed, 0), device)
        points = script["train"](training, micro_batch=256, after_batch=lambda _share: None)
        for point in points:
            curve.append(point)
            if script["stops_early"]((past["val_loss"] for past in curve), config):
                break
        best_points.append(min(curve, key=lambda point: point["val_loss"]))
    return {
        "data": data.stem,
        "horizon": horizon,
        "choice": choice,
        "fold": fold,
        "auc": [round(point["auc"], 5) for point in best_points],
        "val_loss": [round(point["val_loss"], 5) for point in best_points],
        "baselines": task.baselines(),
        "val_rate": task.describe()["val_rate"],
    }


def table(cells: Iterable[Cell], folds: Sequence[float] = FOLDS[-1:]) -> str:
    """Return AUC, mean ± SD over seeds and folds, and the mean validation loss, as Markdown."""
    columns = ["prior loss", *BASELINES, *(f"{choice}, trained" for choice in CHOICES)]
    lines = [f"| data | h | {' | '.join(columns)} |", "|---" * (2 + len(columns)) + "|"]
    by_row: dict[tuple[str, int], dict[str, list[Cell]]] = {}
    for cell in cells:
        if cell["fold"] in folds:
            row = by_row.setdefault((cell["data"], cell["horizon"]), {})
            row.setdefault(cell["choice"], []).append(cell)
    for (data, horizon), row in sorted(by_row.items(), reverse=True):
        baselines = [cell["baselines"] for cell in max(row.values(), key=len)]
        prior = statistics.mean(b["class prior"]["val_loss"] for b in baselines)
        values = [f"{prior:.3f}"]
        for name in BASELINES:
            auc, loss = (
                statistics.mean(b[name][metric] for b in baselines)
                for metric in ("auc", "val_loss")
            )
            values.append(f"{auc:.3f} ({loss:.3f})")
        whole = {choice for choice, found in row.items() if len(found) == len(folds)}
        values += [trained(row[choice]) if choice in whole else "" for choice in CHOICES]
        lines.append(f"| {data} | {horizon} | {' | '.join(values)} |")
    return "\n".join(lines)


def trained(cells: list[Cell]) -> str:
    """Return AUC, mean ± SD over seeds, and mean loss of cells; folds are averaged by seed."""
    n_seeds = min(len(cell["auc"]) for cell in cells)
    auc = [statistics.mean(cell["auc"][seed] for cell in cells) for seed in range(n_seeds)]
    loss = [statistics.mean(cell["val_loss"][:n_seeds]) for cell in cells]
    spread = statistics.stdev(auc) if n_seeds > 1 else 0.0
    return f"{statistics.mean(auc):.3f} ± {spread:.3f} ({statistics.mean(loss):.3f})"


def main() -> None:
    """Run every cell that is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--horizons", nargs="+", type=int, default=[1, 3, 5])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True, help="results as JSON; continued")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cells: list[Cell] = json.loads(arguments.out.read_text()) if arguments.out.exists() else []
    done = {(c["data"], c["horizon"], c["choice"], c["fold"]) for c in cells}
    cells_to_run = itertools.product(arguments.horizons, arguments.data, CHOICES, reversed(FOLDS))
    names = list(CHOICES)
    default_split_first = sorted(
        cells_to_run, key=lambda cell: (cell[3] != FOLDS[-1], names.index(cell[2]))
    )
    for horizon, data, choice, fold in default_split_first:
        if (data.stem, horizon, choice, fold) not in done:
            print(f"{data.stem} h{horizon} {choice}, fold {fold}", file=sys.stderr)
            cells.append(run_cell(choice, horizon, data, fold, arguments.seeds))
            arguments.out.write_text(json.dumps(cells, indent=1) + "\n")
    print(table(cells))
    print(f"\nwalk-forward, {len(FOLDS)} folds:\n\n{table(cells, FOLDS)}")


if __name__ == "__main__":
    main()
