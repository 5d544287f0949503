"""Dry run: everything that can be known before training."""

from __future__ import annotations

import pandas as pd
import torch

from hpo_script.constants import ARCHITECTURES, BUDGET, FIXED_PARAMS, SKIP_INDICES, TOLERANCE
from hpo_script.experiment.space import SPACE
from hpo_script.experiment.task import Task
from hpo_script.machinery.device import BYTES_PER_PARAMETER, build_on_meta, free_memory, measure


def dry_run(task: Task, device: torch.device) -> int:
    """Print data, baselines, every shape and its memory; return 1 if a count is wrong."""
    free, batch_size = free_memory(device), FIXED_PARAMS.get("batch_size", 256)
    about = {
        **task.describe(),
        "baselines": task.baselines(),
        "never tried": SKIP_INDICES or "none",
    }
    about["device"] = f"{device}, {free / 1e9:.1f} GB free"
    for name, value in about.items():
        print(f"{name:15} {value}")
    wrong, unfit, shapes = 0, 0, []
    for shape_idx, rows in enumerate(SPACE.shapes):
        members = [ARCHITECTURES[arch_idx] for arch_idx in rows]
        wrong += sum(build_on_meta(task, row)[1] != row["params"] for row in members)
        cost = measure(task, members[-1])  # with the most heads
        shape: dict[str, object] = {"shape": shape_idx, **members[0]}
        shape["n_heads"] = ",".join(str(member["n_heads"]) for member in members)
        shape["params"] = f"{cost.params:,}"
        shape["off"] = f"{cost.params / BUDGET - 1:+.1%}"
        shape["model GB"] = f"{cost.params * BYTES_PER_PARAMETER / 1e9:.2f}"
        shape["MB/sample"] = f"{cost.sample_bytes / 1e6:.2f}"
        shape["micro-batch"] = cost.micro_batch(free, batch_size) or "does not fit"
        unfit += shape["micro-batch"] == "does not fit"
        shapes.append(shape)
    print(f"\n{pd.DataFrame(shapes).to_string(index=False)}\n")
    outside = sum(abs(row["params"] / BUDGET - 1) > TOLERANCE for row in ARCHITECTURES)
    print(
        f"{len(ARCHITECTURES)} architectures, {len(shapes)} shapes: {wrong} parameter counts"
        f" differ from their model's; {outside} outside ±{TOLERANCE:.0%} of {BUDGET:,};"
        f" {unfit} shapes do not fit.\nNothing was trained."
    )
    return 1 if wrong or outside else 0
