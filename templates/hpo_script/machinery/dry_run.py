"""Dry run: everything that can be known before training."""

from __future__ import annotations

import torch

from hpo_script.constants import ARCHITECTURES, BUDGET, FIXED_PARAMS, SKIP_INDICES, TOLERANCE
from hpo_script.experiment.space import SPACE
from hpo_script.experiment.task import Task
from hpo_script.machinery.device import (
    BYTES_PER_PARAMETER,
    build_on_meta,
    fitting_micro_batch,
    free_memory,
    measure,
)


def dry_run(task: Task, device: torch.device) -> int:
    """Print data, baselines, every shape and its memory; return 1 if a count is wrong."""
    for name, value in (task.describe() | {"baselines": task.baselines()}).items():
        print(f"{name:15} {value}")
    if SKIP_INDICES:
        print(f"{'never tried':15} arch_idx {', '.join(map(str, SKIP_INDICES))}")
    free, batch_size = free_memory(device), FIXED_PARAMS.get("batch_size", 256)
    print(f"{'device':15} {device}, {free / 1e9:.1f} GB free")
    print(f"\n{'shape':>5} {'d_model':>7} {'n_layers':>8} {'d_ff':>6} {'n_heads':>13}", end="")
    print(f" {'params':>13} {'off':>6} {'model GB':>8} {'MB/sample':>9} {'micro-batch':>11}")
    wrong, outside, n_unfit = 0, 0, 0
    for shape_idx, rows in enumerate(SPACE.shapes):
        members = [ARCHITECTURES[arch_idx] for arch_idx in rows]
        wrong += sum(build_on_meta(task, row)[1] != row["params"] for row in members)
        row, cost = members[-1], measure(task, members[-1], device)  # with the most heads
        off = cost.params / BUDGET - 1
        outside += abs(off) > TOLERANCE
        micro_batch = fitting_micro_batch(cost.params, cost.sample_bytes, free, batch_size)
        n_unfit += micro_batch == 0
        heads = ",".join(str(member["n_heads"]) for member in members)
        model_gb = cost.params * BYTES_PER_PARAMETER / 1e9
        print(
            f"{shape_idx:5} {row['d_model']:7} {row['n_layers']:8} {row['d_ff']:6} {heads:>13}"
            f" {cost.params:13,} {off:+6.1%} {model_gb:8.2f} {cost.sample_bytes / 1e6:9.2f}"
            f" {micro_batch or 'does not fit':>11}"
        )
    print(
        f"\n{len(ARCHITECTURES)} architectures, {len(SPACE.shapes)} shapes: {wrong} parameter"
        f" counts differ from their model's; {outside} shapes outside ±{TOLERANCE:.0%} of"
        f" {BUDGET:,}; {n_unfit} do not fit this machine."
    )
    print("Nothing was trained.")
    return 1 if wrong or outside else 0
