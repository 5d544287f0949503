"""The grid of a specification, as a table and as JSON."""

from __future__ import annotations

import json
from typing import Any

from hpogen.budget import format_budget
from hpogen.extremes import extreme_indices
from hpogen.spec import Spec

# fp32 weights, gradients and Adam's two moments, before any activation.
BYTES_PER_PARAMETER = 16


def grid_report(spec: Spec) -> dict[str, Any]:
    """Return the grid, its distinct shapes, ends and gaps."""
    space = spec.space()
    rows = space.architectures
    extremes = extreme_indices(rows, spec.family.extreme_axes)
    unreached = {
        axis: [value for value in values if value not in {row[axis] for row in rows}]
        for axis, values in spec.architecture.items()
        if axis in rows[0]
    }
    return {
        "task": spec.task,
        "budget": spec.budget,
        "tolerance": spec.tolerance,
        "n_architectures": len(rows),
        "n_shapes": len(space.shapes),
        "architectures": [
            {
                "arch_idx": idx,
                **row,
                "off": row["params"] / spec.budget - 1,
                "model_bytes": row["params"] * BYTES_PER_PARAMETER,
                "extreme": extremes.get(idx),
            }
            for idx, row in enumerate(rows)
        ],
        "unreached": {axis: values for axis, values in unreached.items() if values},
    }


def grid_json(spec: Spec) -> str:
    """Return the grid as JSON."""
    return json.dumps(grid_report(spec), indent=1)


def grid_table(spec: Spec) -> str:
    """Return the grid as an aligned table."""
    report = grid_report(spec)
    names = [name for name in report["architectures"][0] if name not in ("off", "model_bytes")]
    names = [name for name in names if name != "extreme"]
    cells = [[*names, "off", "model_gb", "extreme"]]
    for row in report["architectures"]:
        values = [f"{row[name]:,}" if name == "params" else str(row[name]) for name in names]
        model = f"{row['model_bytes'] / 1e9:.2f}"
        cells.append([*values, f"{row['off']:+.1%}", model, row["extreme"] or ""])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if index == len(widths) - 1 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    lines.append(
        f"\n{report['n_architectures']} architectures of {report['n_shapes']} shapes within"
        f" ±{spec.tolerance:.0%} of {format_budget(spec.budget)}; model_gb is weights, gradients"
        " and Adam in fp32, without activations."
    )
    for axis, values in report["unreached"].items():
        lines.append(f"No architecture has {axis} {', '.join(map(str, values))}.")
    return "\n".join(lines)
