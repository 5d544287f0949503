"""Mounts: a worker of another machine whose locks may not be visible here."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from hpo_script.machinery.logged_study import LoggedStudy
from hpo_script.machinery.mounts import mount_of, unreachable_worker

HERE = platform.node()
ELSEWHERE = f"not-{HERE}"
KINDS = {
    ("nfs4", "rw,vers=4.2,hard,proto=tcp,local_lock=none,addr=10.0.0.1"): True,
    ("nfs4", "rw,vers=4.2,hard,local_lock=all,addr=10.0.0.1"): False,
    ("nfs4", "rw,vers=4.0,local_lock=flock"): False,
    ("nfs4", "rw,vers=4.0,local_lock=posix"): False,
    ("nfs4", "rw,nolock"): False,
    ("nfs", "rw,vers=3,local_lock=none"): False,
    ("nfs", "rw,vers=3,nolock,local_lock=all"): False,
    ("ceph", "rw,relatime,name=user,secret=<hidden>,acl"): True,
    ("gpfs", "rw,relatime"): True,
    ("lustre", "rw,checksum,flock,user_xattr"): True,
    ("lustre", "rw,checksum,localflock,user_xattr"): False,
    ("lustre", "rw,checksum,noflock"): False,
    ("cifs", "rw,vers=3.1.1"): False,
    ("fuse.sshfs", "rw,user_id=0"): False,
    ("9p", "rw,trans=virtio"): False,
    ("ext4", "rw,relatime"): True,
    ("xfs", "rw"): True,
    ("overlay", "rw,lowerdir=/a,upperdir=/b"): True,
    ("tmpfs", "rw"): True,
    ("", ""): True,
}


def study_of(hosts: dict[str, str], *claims: tuple[int, str]) -> LoggedStudy:
    """Return a study of these runs on these hosts, with claims (trial, run) in their order."""
    study = LoggedStudy()
    study.runs = {run: {"worker": {"host": host, "process": "1"}} for run, host in hosts.items()}
    for trial, run in claims:
        study.take("trial_resumed", {"trial": trial, "run": run, "study": "a study"})
    return study


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_locks_reach_other_machines_on_some_file_systems_only(kind: str, options: str) -> None:
    study = study_of({"a": HERE, "b": ELSEWHERE}, (0, "b"))
    found = unreachable_worker(study, kind, options)
    assert found == (
        None if KINDS[kind, options] else f"run b on {ELSEWHERE} (file system {kind})"
    )


def test_a_run_of_this_machine_is_reached_by_its_locks() -> None:
    assert unreachable_worker(study_of({"a": HERE}, (0, "a")), "nfs", "rw") is None


def test_a_run_that_ended_is_gone() -> None:
    study = study_of({"a": ELSEWHERE}, (0, "a"))
    assert unreachable_worker(study, "nfs", "rw") == f"run a on {ELSEWHERE} (file system nfs)"
    study.gone.add("a")
    assert unreachable_worker(study, "nfs", "rw") is None


@pytest.mark.parametrize(
    ("claims", "gone"),
    [
        ("a0", False),
        ("a0 x0", True),
        ("a0 x0 a0", False),  # run a has it again
        ("a0 x0 a0 x0", True),
        ("x0 a0", False),
        ("a1 a0 x0", True),
        ("a0 x0 a1", False),  # run a lost a trial and works on another
        ("a0 x0 a1 y0", False),
        ("", False),
    ],
)
def test_a_run_whose_trial_another_one_took_is_gone(claims: str, *, gone: bool) -> None:
    pairs = ((int(claim[1]), claim[0]) for claim in claims.split())
    study = study_of({"a": ELSEWHERE, "x": HERE, "y": HERE}, *pairs)
    found = unreachable_worker(study, "nfs", "rw")
    assert found == (None if gone else f"run a on {ELSEWHERE} (file system nfs)")


def test_the_mount_of_a_path_is_found_by_its_device(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    place = f"{os.major(device)}:{os.minor(device)}"
    table = tmp_path / "mountinfo"
    table.write_text(
        "36 35 0:999999 / / rw,noatime shared:1 - ext4 /dev/root rw\n"
        f"40 36 {place} / /mnt rw,noatime shared:2 master:1 - nfs4 server:/x rw,local_lock=all\n"
    )
    assert mount_of(tmp_path, table) == ("nfs4", "rw,local_lock=all")
    table.write_text("36 35 0:999999 / / rw - ext4 /dev/root rw\n")
    assert mount_of(tmp_path, table) == ("", "")
    assert mount_of(tmp_path, tmp_path / "none") == ("", "")


def test_the_kernels_own_table_is_read() -> None:
    table = Path("/proc/self/mountinfo")
    if not table.exists():
        pytest.skip("this system has no table of mounts")
    assert mount_of(Path("/proc"))[0] == "proc"
