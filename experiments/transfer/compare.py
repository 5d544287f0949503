"""Compare ways to carry settings from small byte_lm models to larger ones, on real text.

    python experiments/transfer/compare.py data/stdlib.txt --out experiments/transfer/results.json
    python experiments/transfer/compare.py --table experiments/transfer/results.json

Learning rates: models of four widths are trained with each rate of a grid, as a script does and
with the scaling of muP for Adam (Yang et al. 2022, arXiv:2203.03466, table 8): hidden matrices are
initialised with variance 1 / fan-in and trained with a rate of 1 / width, and the logits of the
tied embedding are divided by the width; all of it relative to the smallest width. Heads have 8
dimensions at every width, so that the scale of attention stays.

Warm starts: rendered scripts run a cold study of 25 trials per budget, and at each next budget
also a study of 10 trials with `--warm-start` from the cold study before.

Results are written after each training, and a second run continues.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import runpy
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from hpogen.rendering.render import render
from hpogen.spec import make_spec
from recover_trials import read_trials

WIDTHS = (16, 32, 64, 96)
SCALINGS = ("none", "muP")  # equal at the smallest width
RATES = tuple(0.001 * 2**k for k in range(-1, 6))
BUDGETS = ("12K", "24K", "48K")
COLD, WARM = 25, 10  # trials
LENGTH = {"steps": 300, "eval_interval": 30, "batch_size": 16, "min_lr_ratio": 0.0}
SETTINGS = (
    "model.context_length=64",
    "splits.val_bytes=16384",
    *(f"fixed.{name}={value}" for name, value in LENGTH.items()),
    "fixed.warmup_steps=20",
    "fixed.weight_decay=0.0",
)
LADDER = (
    "architecture.d_model=[8, 12, 16, 24, 32, 40, 48, 64]",
    "architecture.n_layers=[1, 2, 3, 4, 6]",
    "architecture.n_heads=[2, 4]",
    "architecture.d_ff_ratio=[4]",
    "search.learning_rate={type: float, low: 3e-4, high: 1e-1, log: true}",
    "search.dropout={type: float, low: 0.0, high: 0.3}",
    "study.n_noise=0",
)
Record = dict[str, Any]


def train_width(script: dict[str, Any], task: Any, record: Record) -> float:
    """Train one width with one rate; return the lowest validation loss, inf if it diverges."""
    import torch

    width, scaling = record["width"], record["scaling"]
    arch = {"d_model": width, "n_layers": 2, "n_heads": width // 8, "d_ff": 4 * width}
    config = {**script["FIXED_PARAMS"], "dropout": 0.0, "learning_rate": record["rate"]}
    training = script["Training"](task, arch, config, (record["seed"], 0), torch.device("cpu"))
    if scaling == "muP":
        scale_as_mup(training, width / WIDTHS[0])
    try:
        points = script["train"](training, micro_batch=16, after_batch=lambda _share: None)
        return min(float(point["val_loss"]) for point in points)
    except script["DivergedError"]:
        return math.inf


def scale_as_mup(training: Any, ratio: float) -> None:
    """Scale initial weights, learning rates and logits for a width `ratio` times the base."""
    import torch

    hidden = [module for module in training.model.modules() if isinstance(module, torch.nn.Linear)]
    matrices = [module.weight for module in hidden]
    with torch.no_grad():
        for weight in matrices:
            weight /= math.sqrt(ratio)
    group = training.optimizer.param_groups[0]
    scaled = {id(weight) for weight in matrices}
    group["params"] = [weight for weight in group["params"] if id(weight) not in scaled]
    training.optimizer.add_param_group({"params": matrices, "weight_decay": 0.0})
    step = training.optimizer.step

    def scaled_step() -> None:
        training.optimizer.param_groups[-1]["lr"] /= ratio
        step()

    training.optimizer.step = scaled_step
    training.model.register_forward_hook(lambda _model, _inputs, logits: logits / ratio)


def learning_rates(data: Path, done: Sequence[Record], seeds: int) -> Iterator[Record]:
    """Yield a record for each training that is missing."""
    spec = make_spec(budget="12K", task="byte_lm", data=str(data), overrides=list(SETTINGS))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "script.py")
        path.write_text(render(spec))
        script = runpy.run_path(str(path))
    import torch

    torch.set_num_threads(1)
    task = script["Task"](str(data), None)
    task.load(torch.device("cpu"))
    for seed in range(seeds):
        for width in WIDTHS:
            for scaling in SCALINGS[: 1 + (width > WIDTHS[0])]:
                for rate in RATES:
                    key = {"width": width, "scaling": scaling, "rate": rate, "seed": seed}
                    if not any(key.items() <= record.items() for record in done):
                        yield {**key, "val_loss": train_width(script, task, key)}


def run_study(folder: Path, data: Path, budget: str, seed: int, n_trials: int, warm: str) -> Path:
    """Render a study in a folder and run it; return its log."""
    render_line = [sys.executable, "-m", "hpogen", "render", "--budget", budget, "--quiet"]
    render_line += ["--task", "byte_lm", "--data", str(data.resolve()), "--seed", str(seed)]
    render_line += ["--n-trials", str(n_trials), "--out", str(folder)]
    for setting in (*SETTINGS, *LADDER):
        render_line += ["--set", setting]
    if warm:
        render_line += ["--warm-start", warm]
    path = subprocess.run(render_line, check=True, capture_output=True, text=True).stdout.strip()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-I", Path(path).name, "--data", str(data.resolve())]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return folder / "logs" / f"{Path(path).stem}.log"


def best_after(log: Path, n_trials: int) -> float:
    """Return the lowest value of the first trials."""
    (study,) = read_trials([log]).studies
    values = [t.value for t in study.rows if t.number < n_trials and t.state == "COMPLETE"]
    return min(value for value in values if value is not None)


def ladders(data: Path, done: Sequence[Record], seeds: int) -> Iterator[Record]:
    """Yield a record for each step between two budgets that is missing."""
    for seed in range(seeds):
        if sum(record.get("ladder") == seed for record in done) == len(BUDGETS) - 1:
            continue
        with tempfile.TemporaryDirectory() as name:
            before = ""
            for budget in BUDGETS:
                cold = run_study(Path(name, f"cold_{budget}"), data, budget, seed, COLD, "")
                if before:
                    warm = run_study(
                        Path(name, f"warm_{budget}"), data, budget, seed, WARM, before
                    )
                    yield {
                        "ladder": seed,
                        "budget": budget,
                        f"cold {WARM}": best_after(cold, WARM),
                        f"cold {COLD}": best_after(cold, COLD),
                        f"warm {WARM}": best_after(warm, WARM),
                    }
                before = str(cold)


def table(records: Sequence[Record]) -> str:
    """Return both tables as Markdown."""
    parts = (rate_table(records), ladder_table(records))
    return "\n\n".join(part for part in parts if part)


def rate_table(records: Sequence[Record]) -> str:
    """Return per width the best rate, its loss, and the loss at the smallest width's rate."""
    trained = [record for record in records if "width" in record]

    def loss(width: int, scaling: str, rate: float) -> float:
        same = {"width": width, "scaling": scaling, "rate": rate}
        return mean(record["val_loss"] for record in trained if same.items() <= record.items())

    def best_rate(width: int, scaling: str) -> float:
        return min(RATES, key=lambda rate: loss(width, scaling, rate))

    pairs = [
        (width, scaling) for width in WIDTHS for scaling in SCALINGS[: 1 + (width > WIDTHS[0])]
    ]
    n_rates = Counter((record["width"], record["scaling"]) for record in trained)
    whole = [pair for pair in pairs if n_rates[pair] >= len(RATES)]
    if not whole:
        return ""
    base = best_rate(WIDTHS[0], "none")
    lines = [
        f"| width | scaling | best rate | val_loss | val_loss at the rate of width {WIDTHS[0]} |",
        "|---|---|---|---|---|",
    ]
    for width, scaling in whole:
        rate = best_rate(width, scaling)
        found = (loss(width, scaling, rate), loss(width, scaling, base))
        lines.append(f"| {width} | {scaling} | {rate:g} | {found[0]:.3f} | {found[1]:.3f} |")
    return "\n".join(lines)


def ladder_table(records: Sequence[Record]) -> str:
    """Return per step of each ladder: the best loss of the cold and of the warm study."""
    steps = [record for record in records if "ladder" in record]
    names = (f"cold {WARM}", f"cold {COLD}", f"warm {WARM}")
    lines = [f"| budget | seed | {' | '.join(names)} |", "|---" * (2 + len(names)) + "|"]
    for step in sorted(steps, key=lambda step: (step["budget"], step["ladder"])):
        values = " | ".join(f"{step[name]:.3f}" for name in names)
        lines.append(f"| {step['budget']} | {step['ladder']} | {values} |")
    if steps:
        values = " | ".join(f"{mean(step[name] for step in steps):.3f}" for name in names)
        lines.append(f"| mean |  | {values} |")
    return "\n".join(lines)


def main() -> None:
    """Run the missing trainings and studies, or print the tables of results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--out", type=Path, help="results as JSON; continued")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--table", type=Path, help="print the tables of results, train nothing")
    arguments = parser.parse_args()
    if arguments.table:
        print(table(json.loads(arguments.table.read_text())))
        return
    out = arguments.out
    records: list[Record] = json.loads(out.read_text()) if out.exists() else []
    for part in (ladders, learning_rates):
        for record in part(arguments.data, tuple(records), arguments.seeds):
            records.append(record)
            out.write_text("[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n")
            print(record, file=sys.stderr, flush=True)
    print(table(records))


if __name__ == "__main__":
    main()
