"""The table of runs in the runbook, and the rate that was measured for it.

Both are printed here and copied into the page:

    python tests/docs_runbook.py            print the table
    python tests/docs_runbook.py --measure  train for a minute and write docs/measured-rate.json
"""

from __future__ import annotations

import json
import platform
import runpy
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from docs_reference import code, markdown_table
from hpogen.budget import format_budget
from hpogen.demo_data import SOURCES
from hpogen.render import render
from hpogen.spec import Spec, make_spec

ROOT = Path(__file__).resolve().parent.parent
PLAN = ROOT / "experiments" / "phase6a" / "plan.yaml"
MEASURED = ROOT / "docs" / "measured-rate.json"
ASSUMED_RATE = 10e12  # floating-point operations per second; an assumption, not a measurement
ADAM_BYTES = 16  # per parameter: weight, gradient and two moments in fp32


def specs() -> list[Spec]:
    """Return the specification of each script of the plan."""
    plan = yaml.safe_load(PLAN.read_text(encoding="utf-8"))
    return [
        make_spec(budget=budget, horizon=horizon)
        for budget in plan["budgets"]
        for horizon in plan["horizons"]
    ]


def loaded_script(spec: Spec, folder: Path) -> tuple[dict[str, Any], Any]:
    """Return the names of a rendered script, and its task with the S&P 500 prices loaded."""
    import torch

    path, script = folder / "sp500.csv", folder / f"{spec.name}.py"
    if not path.exists():
        path.write_bytes(SOURCES["sp500"][1]("sp500"))
    script.write_text(render(spec), encoding="utf-8")
    names = runpy.run_path(str(script))
    task = names["Task"](str(path), None)
    task.load(torch.device("cpu"))
    return names, task


def n_tokens(spec: Spec) -> int:
    """Return how many patches the model sees."""
    sizes = spec.constants
    return int((sizes["context_length"] - sizes["patch_length"]) // sizes["stride"] + 1)


def flop_per_sample(row: Mapping[str, int], tokens: int) -> int:
    """Return the operations of a forward and a backward pass of one sample.

    Two per weight and token forward, twice that backward; the attention matrices beside them.
    """
    attention = 12 * row["n_layers"] * tokens**2 * row["d_model"]
    return 6 * row["params"] * tokens + attention


def longest_epochs(spec: Spec) -> float:
    """Return the mean number of epochs that trials are given, none of them stopped early."""
    return float(mean(spec.search["epochs"].choices))  # type: ignore[union-attr]


def hours(seconds: float) -> str:
    """Return a time in hours, with two digits that count."""
    return f"{seconds / 3600:.2g}"


def runs() -> str:
    """Return the table of runs: script, architectures, memory, operations, hours."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for spec in specs():
            samples = len(loaded_script(spec, Path(folder))[1].train_days)
            grid, tokens = spec.architectures, n_tokens(spec)
            flop = mean(flop_per_sample(row, tokens) for row in grid)
            trial = flop * samples * longest_epochs(spec)
            memory = ADAM_BYTES * max(row["params"] for row in grid)
            rows.append([
                code(f"{spec.name}.py"),
                format_budget(spec.budget),
                str(spec.horizon),
                str(len(grid)),
                str(len(spec.space().shapes)),
                f"{memory / 1e9:.2f}",
                f"{samples:,}",
                f"{trial / 1e15:.3g}",
                hours(trial / ASSUMED_RATE),
                hours(50 * trial / ASSUMED_RATE),
            ])  # fmt: skip
    head = ["script", "budget", "h", "architectures", "shapes", "largest model, GB"]
    head += ["training days", "PFLOP per trial", "hours per trial", "hours per 50 trials"]
    return markdown_table(head, rows)


def measured_rate() -> str | None:
    """Return what was measured, in a sentence; None while nothing was."""
    if not MEASURED.exists():
        return None
    found = json.loads(MEASURED.read_text(encoding="utf-8"))
    return (
        f"Measured: {found['gflop_per_second']:.3g} GFLOP/s on {found['threads']} thread of a CPU"
        f" ({found['machine']}, torch {found['torch']}), in one epoch of the architecture"
        f" with d_model {found['d_model']}, n_layers {found['n_layers']} of `hpo_2M_h1.py`, its"
        f" evaluation included: {found['samples_per_second']:.0f} samples per second. A trial of"
        f" 75 epochs would take {hours(75 * found['samples'] / found['samples_per_second'])} hours"
        " there."
    )


def measure() -> dict[str, Any]:
    """Train two epochs of a 2M architecture and return the rate of the second."""
    import torch

    spec = make_spec(budget="2M", horizon=1)
    row = spec.architectures[len(spec.architectures) // 2]
    config = {**spec.fixed, "epochs": 2, "learning_rate": 3e-4, "dropout": 0.1}
    config |= {"weight_decay": 1e-3, "warmup_steps": 100}
    with tempfile.TemporaryDirectory() as folder:
        names, task = loaded_script(spec, Path(folder))
    training = names["Training"](task, row, config, (42, 0), torch.device("cpu"))
    points = names["train"](
        training, micro_batch=config["batch_size"], after_batch=lambda _share: None
    )
    next(points)  # the first epoch also pays for the start
    since = time.perf_counter()
    next(points)
    seconds = time.perf_counter() - since
    samples = len(task.train_days)
    return {
        **{name: row[name] for name in ("d_model", "n_layers", "n_heads", "params")},
        "samples": samples,
        "samples_per_second": round(samples / seconds, 1),
        "gflop_per_second": round(
            flop_per_sample(row, n_tokens(spec)) * samples / seconds / 1e9, 2
        ),
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "torch": torch.__version__.partition("+")[0],
    }


def main() -> int:
    """Print the table, or measure; return the exit code."""
    if sys.argv[1:] == ["--measure"]:
        MEASURED.write_text(json.dumps(measure(), indent=1) + "\n", encoding="utf-8")
    print(measured_rate() if sys.argv[1:] else runs())
    return 0


if __name__ == "__main__":
    sys.exit(main())
