"""How often a final script's verdict is right, on labels without and with a signal.

    python experiments/verdicts/compare.py --studies 100 --out results.json

Each study is a run of one rendered final script: two seeds of a small model on 4,000 days of
random prices, then its own evaluation of the test split. Labels without a signal are drawn
independently of the inputs. Labels with one have log odds that are a multiple of the mean of the
column Signal over the last five days; the baselines see no more of it than its last day. One core
needs about ten minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import torch

from hpogen.final.final_spec import FinalSpec, render_final
from hpogen.spec import make_spec

N_DAYS = 4000
POSITIVE = 0.3  # rate of positive labels without a signal
SIGNALS = {"none": 0.0, "planted": 1.25}  # log odds per standard deviation
CONFIG = {
    "d_model": 8, "n_layers": 1, "n_heads": 2, "d_ff": 16, "param_count": 0, "arch_idx": 0,
    "learning_rate": 0.01, "dropout": 0.0, "epochs": 8,
}  # fmt: skip
SETTINGS = ["model.context_length=20", "model.max_context_length=20", "tolerance=0.9"]
Labels = Callable[..., np.ndarray]


def final_module(folder: Path) -> ModuleType:
    """Render a final script into a folder and return it as a module."""
    columns = "data.feature_columns=[Close, Signal]"
    spec = make_spec(budget="2K", horizon=1, overrides=[*SETTINGS, columns])
    config = {**spec.fixed, "warmup_steps": 10, "weight_decay": 0.001, **CONFIG}
    chosen = {"trial": 0, "value": 0.0, **config, "batch_size": 128, "config_id": "0"}
    final = FinalSpec(
        study_id=None, configurations=[chosen], seeds=[1, 2], trial_seconds=None, search=spec
    )
    path = folder / f"{final.name}.py"
    path.write_text(render_final(final))
    sys.path.insert(0, str(folder))
    return importlib.import_module(final.name)


def draw_days(generator: np.random.Generator) -> pd.DataFrame:
    """Return random prices, and a column of independent normal numbers."""
    close = 100 * np.exp(np.cumsum(generator.normal(0, 0.01, N_DAYS)))
    spread = np.exp(np.abs(generator.normal(0, 0.005, (2, N_DAYS))))
    return pd.DataFrame({
        "Date": pd.bdate_range("2000-01-03", periods=N_DAYS),
        "Open": close,
        "High": close * spread[0],
        "Low": close / spread[1],
        "Close": close,
        "Signal": generator.normal(size=N_DAYS),
    })  # fmt: skip


def draw_labels(
    days: pd.DataFrame, signal: float, generator: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Return a label per day, and the AUC of the probabilities that they are drawn from."""
    mean = days["Signal"].rolling(5, min_periods=1).mean().to_numpy() * 5**0.5
    odds = np.log(POSITIVE / (1 - POSITIVE)) + signal * mean
    labels = (generator.random(N_DAYS) < 1 / (1 + np.exp(-odds))).astype(float)
    difference = odds[labels > 0.5][:, None] - odds[labels < 0.5]
    return labels, float((np.sign(difference).mean() + 1) / 2)


def run_study(module: ModuleType, folder: Path, signal: float, number: int) -> dict[str, Any]:
    """Run the final script on new labels; return its result and the AUC of the true odds."""
    generator = np.random.default_rng([number, round(10 * signal)])
    days = draw_days(generator)
    days.to_csv(folder / "days.csv", index=False)
    labels, auc = draw_labels(days, signal, generator)

    def known_labels(frame: pd.DataFrame, **_task: Any) -> np.ndarray:
        found = labels[: len(frame)].copy()
        found[-1] = np.nan  # the horizon
        return found

    module.make_labels = known_labels  # type: ignore[attr-defined]
    out = folder / f"{signal}-{number}"
    sys.argv = [str(module.__file__), "--data", str(folder / "days.csv"), "--out", str(out)]
    sys.argv += ["--log", str(out / "study.log"), "--device", "cpu"]
    arguments = module.parse_arguments(module.__doc__)
    task = module.FinalTask(arguments.data, None)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        if module.main(arguments, task):
            raise RuntimeError(f"study {number} failed")
    return {**json.loads((out / "result.json").read_text()), "true_auc": auc}


def summary(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how often each verdict was given, and how often an interval lay above 0."""

    def lead(result: dict[str, Any], baseline: str) -> dict[str, Any]:
        same = (gain for gain in result["comparisons"] if gain["measure"] == result["measure"])
        return next(gain for gain in same if gain["baseline"] == baseline)

    return {
        "studies": len(results),
        "true_auc": float(np.mean([result["true_auc"] for result in results])),
        "verdicts": Counter(result["verdict"].split()[0] for result in results),
        "above_0": {
            "strongest": sum(lead(r, r["baseline"])["low"] > 0 for r in results),
            "class prior": sum(lead(r, "class prior")["low"] > 0 for r in results),
        },
    }


def table(found: dict[str, Any]) -> str:
    """Return the results as a table in Markdown."""
    head = (
        "| labels | studies | best possible AUC | verdicts | interval above 0: strongest baseline"
    )
    lines = [f"{head} | class prior |", "|---|---|---|---|---|---|"]
    for signal, row in found.items():
        verdicts = ", ".join(f"{name} {count}" for name, count in row["verdicts"].items())
        cells = [signal, row["studies"], f"{row['true_auc']:.3f}", verdicts]
        lines.append(f"| {' | '.join(map(str, [*cells, *row['above_0'].values()]))} |")
    return "\n".join(lines)


def main() -> None:
    """Run all studies and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--out", type=Path, default=Path("results.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    out = arguments.out.absolute()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.chdir(folder)
        module = final_module(folder)
        found = {}
        for signal, size in SIGNALS.items():
            results = []
            for number in range(arguments.studies):
                results.append(run_study(module, folder, size, number))
                print(signal, number, results[-1]["verdict"], file=sys.stderr, flush=True)
            found[signal] = summary(results)
    out.write_text(json.dumps(found, indent=1) + "\n")
    print(out.read_text(), end="")


if __name__ == "__main__":
    main()
