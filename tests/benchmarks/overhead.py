"""What a trial costs besides its training: storage, log, files, locks, stops.

    python tests/benchmarks/overhead.py [--trials N] [--json FILE]

A rendered script runs a whole study of trials with 50 evaluations each and almost nothing to
train, on a real disk; then the same trials are trained by its `train` alone. The difference is
what all else took, which does not depend on the size of a model: it is given as a share of a trial
of a minute. (Checkpoints come every five minutes and take a hundredth of the time at most.)
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import os
import runpy
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import yaml

from hpogen.demo_data import prices

EPOCHS = 50
CONFIG = {
    "budget": "2K",
    "horizon": 1,
    "tolerance": 0.5,
    "data": {"data_path": "sp500.csv", "feature_columns": ["Close"]},
    "splits": {"train_subset": 0.1},
    "architecture": {
        "d_model": [8],
        "n_layers": [1, 2],
        "n_heads": [2, 4],
        "d_ff_ratio": [2, 4],
    },
    "fixed": {"epochs": EPOCHS, "batch_size": 512, "patience": EPOCHS, "prune_from": 1.0},
}


def script_in(folder: Path, trials: int) -> dict[str, Any]:
    """Render a script into the working folder; return its names."""
    os.chdir(folder)
    Path("sp500.csv").write_bytes(prices("sp500"))
    Path("small.yaml").write_text(yaml.safe_dump({**CONFIG, "study": {"n_trials": trials}}))
    render = [sys.executable, "-m", "hpogen", "render", "--config", "small.yaml"]
    return runpy.run_path(subprocess.check_output(render, text=True).strip())


def study(script: dict[str, Any], storage: str) -> list[float]:
    """Run a study on a storage; return when each trial began, and the end."""
    began: list[float] = []
    names = script["main"].__globals__
    search = names["Search"]

    class Timed(search):  # type: ignore[misc, valid-type]
        """A search that notes when it asks for a trial."""

        def next_trial(self) -> Any:
            began.append(time.perf_counter())
            return super().next_trial()

    names["Search"] = Timed
    sys.argv = [__file__, "--out", f"out-{storage}", "--log", f"{storage}.log"]
    if storage == "journal":
        sys.argv += ["--storage", "journal://study.journal"]
    constants = (script[name] for name in ("NAME", "DATA_PATH", "N_TRIALS", "SEED", "STORAGE"))
    arguments = script["parse_arguments"](script["__doc__"], *constants)
    with contextlib.redirect_stderr(io.StringIO()):
        code = script["main"](
            arguments, script["make_task"]("sp500.csv"), script["make_experiment"]()
        )
    names["Search"] = search
    assert code == 0
    return began


def bare(script: dict[str, Any], folder: Path) -> list[float]:
    """Train the recorded trials again and nothing else; return the seconds of each."""
    task, experiment = script["make_task"]("sp500.csv"), script["make_experiment"]()
    task.load(torch.device("cpu"))
    found = []
    for path in sorted(folder.glob("trials/*.json")):
        record = json.loads(path.read_text())
        config = {**record["user_attrs"], **record["params"]}
        since = time.perf_counter()
        curve = script["train"](
            task,
            experiment.architectures[config["arch_idx"]],
            config,
            key=(config["seed"], record["trial_number"]),
            device=torch.device("cpu"),
            micro_batch=config["micro_batch"],
            after_batch=lambda _training, _share: None,
        )
        assert len(list(curve)) == EPOCHS
        found.append(time.perf_counter() - since)
    return found


def measure(trials: int) -> dict[str, dict[str, float]]:
    """Return, for each storage, the seconds that a trial takes besides its training."""
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        script = script_in(Path(folder), trials)
        for storage in ("sqlite", "journal"):
            began = study(script, storage)
            alone = bare(script, Path(f"out-{storage}"))
            spent = [two - one for one, two in itertools.pairwise(began)]
            extra = [whole - own for whole, own in zip(spent, alone, strict=True)]
            tenth = max(trials // 10, 1)
            found[storage] = {
                "trained": sum(alone) / trials,
                "besides": sum(extra) / trials,
                "besides_last_tenth": sum(extra[-tenth:]) / tenth,
            }
        os.chdir("..")
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--json", type=Path, help="keep the figures")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = measure(arguments.trials)
    print(f"{arguments.trials} trials of {EPOCHS} evaluations; seconds per trial:\n")
    print("storage   trained   besides   of a minute   last tenth of the study")
    for storage, row in found.items():
        share = row["besides"] / 60
        print(
            f"{storage:8}  {row['trained']:7.3f}   {row['besides']:7.3f}   {share:11.2%}"
            f"   {row['besides_last_tenth']:.3f}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
