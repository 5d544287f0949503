"""Report of `hpogen grid`: the architectures of a specification as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hpogen.grid.budget import format_budget
from hpogen.grid.memory_estimate import BYTES_PER_PARAMETER
from hpogen.spec import Spec


def grid_report(spec: Spec) -> dict[str, Any]:
    """Return the architectures, counts, extremes, and axis values that no architecture has."""
    space = spec.space()
    return {
        "task": spec.task,
        "budget": spec.budget,
        "tolerance": spec.tolerance,
        "n_architectures": len(space.rows),
        "n_shapes": len(space.shapes),
        "n_candidates": len(spec.candidates),
        "architectures": [
            {
                "arch_idx": idx,
                **row,
                "off": row["params"] / spec.budget - 1,
                "model_bytes": row["params"] * BYTES_PER_PARAMETER,
                "sample_bytes": spec.sample_bytes(row),
                "extreme": spec.extremes.get(idx),
                "skipped": idx in spec.skipped,
            }
            for idx, row in enumerate(space.rows)
        ],
        "unreached": unreached(spec),
        "cells": cells(spec),
    }


def unreached(spec: Spec) -> dict[str, list[float]]:
    """Return the values of each axis that no architecture within the budget has."""
    rows = spec.architectures
    missing = {
        axis: [value for value in values if value not in {row[axis] for row in rows}]
        for axis, values in spec.architecture.items()
        if axis in rows[0]
    }
    return {axis: values for axis, values in missing.items() if values}


def cells(spec: Spec) -> dict[str, list[str]]:
    """Return {d_model: a state for each n_layers}: fits, small, large or impossible.

    A cell fits if one of its architectures is within the budget. Otherwise the architecture
    nearest to the budget decides between small and large; impossible: there is none.
    """
    nearest: dict[tuple[int, int], float] = {}
    for row in spec.candidates:
        key, ratio = (row["d_model"], row["n_layers"]), row["params"] / spec.budget
        if key not in nearest or abs(ratio - 1) < abs(nearest[key] - 1):
            nearest[key] = ratio
    fitting = {(row["d_model"], row["n_layers"]) for row in spec.architectures}

    def state(key: tuple[int, int]) -> str:
        if key in fitting:
            return "fits"
        if key not in nearest:
            return "impossible"
        return "small" if nearest[key] < 1 else "large"

    widths, depths = spec.architecture["d_model"], spec.architecture["n_layers"]
    return {str(width): [state((int(width), int(depth))) for depth in depths] for width in widths}


def grid_json(spec: Spec) -> str:
    """Return the grid as JSON."""
    return json.dumps(grid_report(spec), indent=1)


def aligned(lines: list[list[str]]) -> list[str]:
    """Return lines with right-aligned columns, apart from the last, which is left-aligned."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    last = len(widths) - 1
    return [
        "  ".join(
            cell.ljust(width) if index == last else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def table_row(row: Mapping[str, Any], names: list[str]) -> list[str]:
    """Return the cells of an architecture's row in the table."""
    values = [f"{row[name]:,}" if name == "params" else str(row[name]) for name in names]
    remark = "skipped" if row["skipped"] else row["extreme"] or ""
    model, sample = row["model_bytes"] / 1e9, row["sample_bytes"] / 1e6
    return [*values, f"{row['off']:+.1%}", f"{model:.2f}", f"{sample:.2f}", remark]


def grid_table(spec: Spec) -> str:
    """Return the architectures as an aligned table, and below it the cells of width and depth."""
    report = grid_report(spec)
    names = ["arch_idx", *spec.architectures[0]]
    head = [*names, "off", "model_gb", "sample_mb", ""]
    lines = aligned([head, *(table_row(row, names) for row in report["architectures"])])
    lines.append(
        f"\n{report['n_architectures']} architectures of {report['n_shapes']} shapes within"
        f" ±{spec.tolerance:.0%} of {format_budget(spec.budget)}, out of"
        f" {report['n_candidates']:,}. model_gb: weights, gradients and Adam in fp32; sample_mb:"
        " estimated activations of one sample."
    )
    lines += ["", *cell_table(spec, report["cells"])]
    for axis, values in report["unreached"].items():
        lines.append(f"No architecture has {axis} {', '.join(map(str, values))}.")
    return "\n".join(lines)


def cell_table(spec: Spec, states: Mapping[str, list[str]]) -> list[str]:
    """Return a table with a mark for each d_model and n_layers."""
    marks = {"fits": "o", "small": "-", "large": "+", "impossible": " "}
    depths = [str(int(depth)) for depth in spec.architecture["n_layers"]]
    lines = [["d_model \\ n_layers", *depths, ""]]
    lines += [[width, *(marks[s] for s in row), ""] for width, row in states.items()]
    return [*aligned(lines), "o within the budget, - too small, + too large"]
