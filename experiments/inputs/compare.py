"""Compare the inputs a market model may be given, over seeds, horizons and two indices.

    python experiments/inputs/compare.py sp500.csv nasdaq.csv --seeds 5 --out results.json

Each cell trains the same small PatchTST (64 wide, 3 layers, 8 heads) with the training part of a
rendered script, and keeps the best epoch by validation loss. Two cores need about an hour.
"""

from __future__ import annotations

import argparse
import json
import runpy
import statistics
import sys
import tempfile
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
CONFIG = {
    "learning_rate": 3e-4,
    "weight_decay": 1e-3,
    "dropout": 0.2,
    "warmup_steps": 50,
    "epochs": 40,
}


def script_of(choice: str, horizon: int, data: Path) -> dict[str, Any]:
    """Render a script and return its names."""
    spec = make_spec(
        budget="150K",
        horizon=horizon,
        data=str(data),
        options=CHOICES[choice],
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "script.py")
        path.write_text(render(spec))
        return runpy.run_path(str(path))


def run_cell(choice: str, horizon: int, data: Path, seeds: int) -> dict[str, Any]:
    """Train one kind of inputs with several seeds; return the best epochs' means."""
    script = script_of(choice, horizon, data)
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
            if script["evals_without_gain"]((past["val_loss"] for past in curve), 0.0) >= 8:
                break
        best_points.append(min(curve, key=lambda point: point["val_loss"]))
        print(f"{data.stem} h{horizon} {choice} seed {seed}: {best_points[-1]}", file=sys.stderr)
    return {
        "data": data.stem,
        "horizon": horizon,
        "choice": choice,
        "auc": [point["auc"] for point in best_points],
        "val_loss": [point["val_loss"] for point in best_points],
        "baselines": task.baselines(),
        "val_rate": task.describe()["val_rate"],
    }


def table(cells: list[dict[str, Any]]) -> str:
    """Return the results as Markdown: AUC, mean ± SD over seeds, validation loss in brackets."""
    columns = ["prior loss", *BASELINES, *(f"{choice}, trained" for choice in CHOICES)]
    lines = [f"| data | h | {' | '.join(columns)} |", "|---" * (2 + len(columns)) + "|"]
    by_place: dict[tuple[str, int], dict[str, dict[str, Any]]] = {}
    for cell in cells:
        by_place.setdefault((cell["data"], cell["horizon"]), {})[cell["choice"]] = cell
    for (data, horizon), row in by_place.items():
        baselines = next(iter(row.values()))["baselines"]
        values = [f"{baselines['class prior']['val_loss']:.3f}"]
        values += [
            f"{baselines[name]['auc']:.3f} ({baselines[name]['val_loss']:.3f})"
            for name in BASELINES
        ]
        values += [trained(row[choice]) for choice in CHOICES]
        lines.append(f"| {data} | {horizon} | {' | '.join(values)} |")
    return "\n".join(lines)


def trained(cell: dict[str, Any]) -> str:
    """Return AUC, mean ± SD, and mean loss of a cell."""
    auc, loss = cell["auc"], cell["val_loss"]
    spread = statistics.stdev(auc) if len(auc) > 1 else 0.0
    return f"{statistics.mean(auc):.3f} ± {spread:.3f} ({statistics.mean(loss):.3f})"


def main() -> None:
    """Run every cell and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--horizons", nargs="+", type=int, default=[1, 3, 5])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="keep the results as JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cells = [
        run_cell(choice, horizon, data, arguments.seeds)
        for data in arguments.data
        for horizon in arguments.horizons
        for choice in CHOICES
    ]
    if arguments.out:
        arguments.out.write_text(json.dumps(cells, indent=1) + "\n")
    print(table(cells))


if __name__ == "__main__":
    main()
