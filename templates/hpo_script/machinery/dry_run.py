"""Dry run: the cost of each shape, and all checks and estimates that need no training."""

from __future__ import annotations

import itertools
import time
from argparse import Namespace
from collections.abc import Mapping, Sequence
from datetime import timedelta
from statistics import fmean

import pandas as pd
import torch

from hpo_script.constants import (
    ARCHITECTURES,
    BUDGET,
    FIXED_PARAMS,
    PRUNER,
    SEARCH_SPACE,
    SEED,
    SKIP_INDICES,
    TIMEOUT_HOURS,
    TOLERANCE,
)
from hpo_script.experiment.shared import Arch, Config, UnusableError
from hpo_script.experiment.space import SPACE
from hpo_script.experiment.task import Task
from hpo_script.experiment.training import Training
from hpo_script.machinery.device import (
    ShapeCost,
    build_on_meta,
    free_memory,
    measure,
)
from hpo_script.machinery.log_file import say
from hpo_script.machinery.pruning import first_prunable

LENGTHS = ("epochs", "steps", "batch_size", "warmup_steps")


def measure_shapes(task: Task) -> dict[int, ShapeCost]:
    """Return the cost of each architecture: of its shape, with the most heads."""
    costs: dict[int, ShapeCost] = {}
    for rows in SPACE.shapes:
        costs |= dict.fromkeys(rows, measure(task, ARCHITECTURES[rows[-1]]))
    return costs


def check_shapes(costs: Mapping[int, ShapeCost], free: int) -> None:
    """Report shapes that do not fit and counts that differ. Raises UnusableError if none fits."""
    for rows in SPACE.shapes:
        arch, cost = ARCHITECTURES[rows[-1]], costs[rows[-1]]
        if cost.params != arch["params"]:
            say(f"{arch}: the model has {cost.params:,} parameters; the log has this number")
        if not cost.micro_batch(free, 1):
            say(f"warning: {arch} does not fit into {free:,} bytes: its trials will fail (oom)")
    if not any(cost.micro_batch(free, 1) for cost in costs.values()):
        raise UnusableError("no architecture fits this machine; --dry-run shows the plan")


def length_ends() -> list[Config]:
    """Return the configurations at the ends of the ranges that determine the length of a trial."""
    ends = {}
    for name, table in SEARCH_SPACE.items():
        values = table.get("choices") or (table["low"], table["high"])
        ends[name] = (min(values), max(values)) if name in LENGTHS else values[:1]
    return [
        {**FIXED_PARAMS, **dict(zip(ends, values, strict=True))}
        for values in itertools.product(*ends.values())
    ]


def say_length_warnings(task: Task, configs: Sequence[Config]) -> None:
    """Warn about the first trial with a long warm-up and the first that cannot be pruned."""
    warnings: dict[str, str] = {}
    for config in configs:
        trial = ", ".join(f"{name}={config[name]}" for name in LENGTHS if name in config)
        ends, sizes = zip(*task.intervals(config), strict=True)
        if 2 * config["warmup_steps"] > sum(sizes):
            warnings.setdefault("the warm-up is longer than half of a trial", trial)
        first = max(first_prunable(task, config), PRUNER.get("n_warmup_steps", 0))
        if PRUNER["type"] != "NopPruner" and max(ends[:-1], default=0) < first:
            warnings.setdefault("a trial ends before the pruner may act", trial)
    for warning, trial in warnings.items():
        say(f"warning: {warning}, with {trial}")


def sample_seconds(
    task: Task, device: torch.device, arch: Arch, cost: ShapeCost, config: Config
) -> tuple[float, str]:
    """Return the training time of one sample, and the source of this estimate."""
    free, flops = free_memory(device), 10**10 if device.type == "cpu" else 10**12  # < 1 second
    source, timed = "timed", cost
    if not cost.micro_batch(free, 1) or cost.sample_flops > flops:
        arch, source = {**arch, "n_layers": 1}, "from FLOPs, at the speed of one timed layer"
        timed = measure(task, arch)
    batch = task.batches(config, 1, SEED)[0]
    batch = batch[: max(1, min(timed.micro_batch(free, len(batch)), flops // timed.sample_flops))]
    training = Training(task, arch, config, (SEED, 0), device)
    for _ in range(2):  # the first step loads and tunes kernels
        began = time.monotonic()
        training.learn(batch, 0.0, len(batch))
        training.losses.item()  # waits for the device
    seconds = (time.monotonic() - began) / len(batch)
    return seconds * cost.sample_flops / timed.sample_flops, source


def estimate_time(
    task: Task, device: torch.device, costs: Mapping[int, ShapeCost], n_trials: int
) -> None:
    """Print estimates of the time of trials and study, and warn about settings of their length."""
    configs = length_ends()
    say_length_warnings(task, configs)
    lengths = [
        config["batch_size"] * sum(n for _, n in task.intervals(config)) for config in configs
    ]
    by_cost = sorted(SPACE.allowed, key=lambda arch_idx: costs[arch_idx].sample_flops)
    study = timedelta()
    for name, arch_idx in (("largest", by_cost[-1]), ("median", by_cost[len(by_cost) // 2])):
        arch, cost = ARCHITECTURES[arch_idx], costs[arch_idx]
        seconds, source = sample_seconds(task, device, arch, cost, configs[0])
        trial = timedelta(seconds=round(seconds * fmean(lengths)))
        study = n_trials * trial
        print(f"{name} trial: arch_idx {arch_idx}, {trial} of training, {source}")
    print(f"{n_trials} median trials: {study}, without evaluations, early stops and pruning")
    if TIMEOUT_HOURS and study > timedelta(hours=TIMEOUT_HOURS):
        say(f"warning: the study may take longer than TIMEOUT_HOURS, {TIMEOUT_HOURS}")


def dry_run(
    task: Task, device: torch.device, costs: Mapping[int, ShapeCost], free: int, args: Namespace
) -> int:
    """Print data, baselines, shapes with their memory, and times; return 1 if a count is wrong."""
    batch_size = FIXED_PARAMS.get("batch_size", 256)
    overview = {
        **task.describe(),
        "baselines": "; ".join(
            f"{name}: " + ", ".join(f"{metric} {value:.6g}" for metric, value in metrics.items())
            for name, metrics in task.baselines().items()
        ),
        "never tried": SKIP_INDICES or "none",
        "device": f"{device}, {free / 1e9:.1f} GB free",
    }
    for name, value in overview.items():
        print(f"{name:15} {round(value, 6) if isinstance(value, float) else value}")
    rows = [shape[-1] for shape in SPACE.shapes]  # the one with the most heads
    found = [costs[row] for row in rows]
    shapes = pd.DataFrame([ARCHITECTURES[row] for row in rows], rows)
    shapes["off"] = [f"{cost.params / BUDGET - 1:+.1%}" for cost in found]
    shapes["model GB"] = [cost.model_bytes / 1e9 for cost in found]
    shapes["MB/sample"] = [cost.sample_bytes / 1e6 for cost in found]
    shapes["micro-batch"] = [cost.micro_batch(free, batch_size) for cost in found]
    print(f"\n{shapes.rename_axis('arch_idx').round(2).to_string()}\n")
    if args.trial_seconds is None:
        estimate_time(task, device, costs, args.n_trials)
    wrong = sum(build_on_meta(task, row)[1] != row["params"] for row in ARCHITECTURES)
    outside = sum(abs(row["params"] / BUDGET - 1) > TOLERANCE for row in ARCHITECTURES)
    unfit = sum(not cost.micro_batch(free, 1) for cost in found)
    print(
        f"architectures: {len(ARCHITECTURES)}, with parameter counts that differ from their"
        f" model's: {wrong}, outside ±{TOLERANCE:.0%} of {BUDGET:,}: {outside}; shapes:"
        f" {len(shapes)}, too large for this machine: {unfit}.\nNothing was trained."
    )
    return 1 if wrong or outside else 0
