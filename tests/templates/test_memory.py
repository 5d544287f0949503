"""Memory: the limit of a container or job, micro-batches that fit, and the cost of a shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hpo_script.machinery.device import ShapeCost, cgroup_rooms, out_of_memory
from scripts import MARKET, load_task, render_to


def write(folder: Path, limit: object, usage: int, files: int) -> None:
    """Write the files of a control group."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{usage}\n")
    (folder / "memory.stat").write_text(f"anon 1\nfile 7\ninactive_file {files}\nslab 3\n")


def room(groups: Path, root: Path) -> int:
    """Return the bytes that all limits together leave."""
    return min(cgroup_rooms(groups, root), default=1 << 62)


def test_the_tightest_limit_above_counts_without_files_that_can_be_dropped(tmp_path: Path) -> None:
    groups, root = tmp_path / "cgroup", tmp_path / "fs"
    groups.write_text("9:pids:/elsewhere\n0::/slurm/job_1/step_0\n")
    write(root / "slurm/job_1/step_0", "max", 100, 10)
    write(root / "slurm/job_1", 1000, 300, 40)
    write(root / "slurm", 5000, 900, 0)
    assert room(groups, root) == 1000 - 300 + 40
    write(root / "slurm", 1000, 900, 0)
    assert room(groups, root) == 100
    write(root / "slurm", 800, 900, 0)
    assert room(groups, root) == 0


def test_a_container_has_its_own_limit_at_the_top(tmp_path: Path) -> None:
    groups, root = tmp_path / "cgroup", tmp_path / "fs"
    groups.write_text("0::/\n")
    write(root, 2000, 500, 0)
    assert room(groups, root) == 1500


def test_without_groups_or_limits_there_is_no_limit(tmp_path: Path) -> None:
    groups = tmp_path / "cgroup"
    assert room(groups, tmp_path) == 1 << 62
    groups.write_text("0::/\n")
    assert room(groups, tmp_path) == 1 << 62
    write(tmp_path, "max", 500, 0)
    assert room(groups, tmp_path) == 1 << 62


@given(st.integers(1, 10**10), st.integers(1, 10**9), st.integers(0, 10**12), st.integers(1, 4096))
def test_a_micro_batch_fits_and_twice_as_much_does_not(
    n_params: int, sample_bytes: int, free: int, batch_size: int
) -> None:
    found = ShapeCost(n_params, sample_bytes, 1).micro_batch(free, batch_size)
    left = int(free * 0.92) - 16 * n_params
    assert 0 <= found <= batch_size
    if found == 0:
        assert left < sample_bytes
    else:
        assert found * sample_bytes <= left
        assert found == batch_size or 2 * found * sample_bytes > left


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
        cost: Any = names["measure"](task, row)
        assert cost.params == row["params"]
        assert cost.sample_bytes == pytest.approx(by_hand(row, 11, 72), rel=0.35)
        # A multiplication and an addition per weight and token, three times: forward and backward.
        assert cost.sample_flops == pytest.approx(6 * 11 * row["params"], rel=0.5)


def test_shapes_that_do_not_fit_are_said_and_a_machine_for_none_is_refused(
    sp500: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names, task = load_task(render_to(tmp_path, MARKET))
    rows = names["ARCHITECTURES"]
    costs: dict[int, Any] = names["measure_shapes"](task)
    names["check_shapes"](costs, 1 << 40)
    assert [*costs] == [*range(len(rows))]
    assert [costs[arch_idx].params for arch_idx in costs] == [row["params"] for row in rows]
    assert capsys.readouterr().err == ""

    needed = {arch_idx: bytes_needed(cost) for arch_idx, cost in costs.items()}
    names["check_shapes"](costs, min(needed.values()))
    n_large = sum(needed[shape[-1]] > min(needed.values()) for shape in names["SPACE"].shapes)
    assert n_large > 0
    assert capsys.readouterr().err.count("its trials will fail (oom)") == n_large

    with pytest.raises(names["UnusableError"], match="no architecture fits this machine"):
        names["check_shapes"](costs, min(needed.values()) - 1)


def bytes_needed(cost: Any) -> int:
    """Return the free bytes that just one sample of a shape needs."""
    low, high = 0, 1 << 40
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if cost.micro_batch(middle, 1) else (middle + 1, high)
    return low
