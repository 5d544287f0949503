"""Memory: the limit of a container or job, micro-batches that fit, and the cost of a shape."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hpo_script.machinery.device import cgroup_room, fitting_micro_batch, out_of_memory
from scripts import MARKET, load_task, render_to


def write(folder: Path, limit: object, usage: int, files: int) -> None:
    """Write the files of a control group."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{usage}\n")
    (folder / "memory.stat").write_text(f"anon 1\nfile 7\ninactive_file {files}\nslab 3\n")


def test_the_tightest_limit_above_counts_without_files_that_can_be_dropped(tmp_path: Path) -> None:
    groups, root = tmp_path / "cgroup", tmp_path / "fs"
    groups.write_text("9:pids:/elsewhere\n0::/slurm/job_1/step_0\n")
    write(root / "slurm/job_1/step_0", "max", 100, 10)
    write(root / "slurm/job_1", 1000, 300, 40)
    write(root / "slurm", 5000, 900, 0)
    assert cgroup_room(groups, root) == 1000 - 300 + 40
    write(root / "slurm", 1000, 900, 0)
    assert cgroup_room(groups, root) == 100
    write(root / "slurm", 800, 900, 0)
    assert cgroup_room(groups, root) == 0


def test_a_container_has_its_own_limit_at_the_top(tmp_path: Path) -> None:
    groups, root = tmp_path / "cgroup", tmp_path / "fs"
    groups.write_text("0::/\n")
    write(root, 2000, 500, 0)
    assert cgroup_room(groups, root) == 1500


def test_without_groups_or_limits_there_is_no_limit(tmp_path: Path) -> None:
    groups = tmp_path / "cgroup"
    assert cgroup_room(groups, tmp_path) == math.inf
    groups.write_text("0::/\n")
    assert cgroup_room(groups, tmp_path) == math.inf


@given(st.integers(1, 10**10), st.integers(1, 10**9), st.integers(0, 10**12), st.integers(1, 4096))
def test_a_micro_batch_fits_and_twice_as_much_does_not(
    n_params: int, sample_bytes: int, free: int, batch_size: int
) -> None:
    found = fitting_micro_batch(n_params, sample_bytes, free, batch_size)
    room = int(free * 0.92) - 16 * n_params
    assert 0 <= found <= batch_size
    if found == 0:
        assert room < sample_bytes
    else:
        assert found * sample_bytes <= room
        assert found == batch_size or 2 * found * sample_bytes > room


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] can't allocate memory"), True),
        (RuntimeError("shape mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_errors_of_memory_are_recognised(error: Exception, *, found: bool) -> None:
    assert out_of_memory(error) is found


def by_hand(row: dict[str, int], tokens: int, inputs: int) -> float:
    """Return the bytes that a sample of a plain encoder must keep, counted tensor by tensor."""
    d, d_ff, heads = row["d_model"], row["d_ff"], row["n_heads"]
    block = 9 * d + 2 * d_ff + 2 * heads * tokens
    return 4 * tokens * (row["n_layers"] * block + inputs)


def test_the_measured_cost_of_a_shape_is_close_to_a_count_by_hand(
    sp500: Path, tmp_path: Path
) -> None:
    names, task = load_task(render_to(tmp_path, MARKET))
    for row in names["ARCHITECTURES"]:
        cost: Any = names["measure"](task, row, torch.device("cpu"))
        assert cost.params == row["params"]
        assert cost.fits
        assert cost.sample_bytes == pytest.approx(by_hand(row, 11, 72), rel=0.35)
        # A multiplication and an addition per weight and token, three times: forward and backward.
        assert cost.sample_flops == pytest.approx(6 * 11 * row["params"], rel=0.5)
