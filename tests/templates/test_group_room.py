"""What the memory limit of a container or a job leaves: by the kernel's files, and for real."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpo_script.device import group_room

MEMORY = Path("/sys/fs/cgroup/memory")
NONE = 2**63 - 4096  # what version 1 has for no limit


def write(folder: Path, version: int, limit: object, usage: int, files: int) -> None:
    """Write the files of a group."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("memory.max", "memory.current", "inactive_file")
    if version == 1:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{usage}\n")
    (folder / "memory.stat").write_text(f"anon 1\nfile 7\n{names[2]} {files}\nslab 3\n")


@pytest.mark.parametrize("version", [1, 2])
def test_the_tightest_limit_above_counts_without_files_that_can_be_dropped(
    version: int, tmp_path: Path
) -> None:
    groups, root = tmp_path / "cgroup", tmp_path / "fs"
    head = "4:cpu,memory:" if version == 1 else "0::"
    groups.write_text(f"9:pids:/elsewhere\n{head}/slurm/job_1/step_0\n")
    top = root / "memory" if version == 1 else root
    write(top / "slurm/job_1/step_0", version, NONE if version == 1 else "max", 100, 10)
    write(top / "slurm/job_1", version, 1000, 300, 40)
    write(top / "slurm", version, 5000, 900, 0)
    assert group_room(groups, root) == 1000 - 300 + 40
    write(top / "slurm", version, 1000, 900, 0)
    assert group_room(groups, root) == 100
    write(top / "slurm", version, 800, 900, 0)
    assert group_room(groups, root) == 0


def test_a_container_sees_its_own_limit_at_the_top(tmp_path: Path) -> None:
    groups, root = tmp_path / "cgroup", tmp_path / "fs"
    groups.write_text("4:memory:/docker/0123456789ab\n")
    write(root / "memory", 1, 2000, 500, 0)
    assert group_room(groups, root) == 1500


def test_without_groups_or_limits_nothing_is_known(tmp_path: Path) -> None:
    groups = tmp_path / "cgroup"
    assert group_room(groups, tmp_path) == math.inf
    groups.write_text("0::/\n")
    assert group_room(groups, tmp_path) == math.inf


@pytest.fixture
def group() -> Iterator[Path]:
    """Make a real group, where this process may."""
    found = MEMORY / f"hpogen-test-{os.getpid()}"
    try:
        found.mkdir()
    except OSError as error:
        pytest.skip(f"no group of memory can be made here: {error}")
    yield found
    found.rmdir()


def test_what_is_left_of_a_real_limit_is_told_before_the_kernel_kills(group: Path) -> None:
    code = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
Path({procs!r}).write_text("0")
import torch
from hpo_script.device import free_memory
Path({limit!r}).write_text("1200000000")
cpu = torch.device("cpu")
before = free_memory(cpu)
kept = torch.ones(100_000_000)
print(before, free_memory(cpu), flush=True)
more = torch.ones(before // 4)
"""
    paths = {"procs": str(group / "cgroup.procs"), "limit": str(group / "memory.limit_in_bytes")}
    command = [sys.executable, "-c", code.format(path=sys.path, **paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    before, after = map(int, done.stdout.split())
    assert 4e8 < before < 1.2e9
    assert before - after == pytest.approx(4e8, rel=0.1)
    assert done.returncode == -9
