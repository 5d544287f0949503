"""Dry run: everything that can be known before training."""

from __future__ import annotations

import torch

from hpo_script.device import (
    BYTES_PER_PARAMETER,
    bytes_per_sample,
    check_count,
    fitting_micro_batch,
    free_memory,
)
from hpo_script.experiment import Experiment
from hpo_script.task import Task


def dry_run(task: Task, experiment: Experiment, device: torch.device) -> int:
    """Print the data, every shape and its memory; return 1 if a row is off the budget."""
    for name, value in task.describe().items():
        print(f"{name:20} {value}")
    if experiment.skip_indices:
        print(f"{'never tried':20} arch_idx {', '.join(map(str, experiment.skip_indices))}")
    free = free_memory(device)
    batch_size = experiment.fixed_params.get("batch_size", 256)
    print(f"{'device':20} {device}, {free / 1e9:.1f} GB free")
    print(f"\n{'shape':>5} {'d_model':>7} {'n_layers':>8} {'d_ff':>6} {'n_heads':>13}", end="")
    print(f" {'params':>13} {'off':>6} {'model GB':>8} {'MB/sample':>9} {'micro-batch':>11}")
    wrong, n_unfit, shapes = 0, 0, experiment.space.shapes
    for shape_idx, rows in enumerate(shapes):
        members = [experiment.architectures[arch_idx] for arch_idx in rows]
        models = [check_count(task, row) for row in members]
        row, sample_bytes = members[-1], bytes_per_sample(task, models[-1])  # most heads
        off = row["params"] / experiment.budget - 1
        wrong += abs(off) > experiment.tolerance
        micro_batch = fitting_micro_batch(row["params"], sample_bytes, free, batch_size)
        n_unfit += micro_batch == 0
        heads = ",".join(str(member["n_heads"]) for member in members)
        model_gb = row["params"] * BYTES_PER_PARAMETER / 1e9
        print(
            f"{shape_idx:5} {row['d_model']:7} {row['n_layers']:8} {row['d_ff']:6} {heads:>13}"
            f" {row['params']:13,} {off:+6.1%} {model_gb:8.2f} {sample_bytes / 1e6:9.2f}"
            f" {micro_batch or 'does not fit':>11}"
        )
    print(
        f"\n{len(experiment.architectures)} architectures, {len(shapes)} shapes: every"
        f" parameter count equals its model's; {wrong} outside ±{experiment.tolerance:.0%} of"
        f" {experiment.budget:,}; {n_unfit} shapes do not fit this machine."
    )
    print("Nothing was trained.")
    return 1 if wrong else 0
