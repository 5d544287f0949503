"""Mounts: whether the locks beside a log reach another machine that works on it."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from hpo_script.machinery.logged_study import LoggedStudy

# One machine uses a local file system: a run of another host dates from before a move of the log.
LOCAL = {"", "apfs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"}
SHARED_LOCKS = {"nfs4", "ceph", "gpfs", "lustre"}  # measured on NFS, documented for the others
LOCAL_LOCKS = re.compile(r"\b(nolock|local_lock=(?!none)\w+|localflock|noflock)\b")


def mount_of(path: Path, table: Path = Path("/proc/self/mountinfo")) -> tuple[str, str]:
    """Return the kind of a path's file system, and its mount options; "" if unknown."""
    device = path.stat().st_dev
    place = f"{os.major(device)}:{os.minor(device)}"
    lines = table.read_text().splitlines() if table.exists() else []
    mounts = (line.partition(" - ")[2] for line in lines if line.split()[2] == place)
    kind, _, options = next(mounts, "  ").split(" ", 2)
    return kind, options


def unreachable_worker(study: LoggedStudy, kind: str, options: str) -> str | None:
    """Return the run of another machine whose locks may not be visible here, if any."""
    if kind in LOCAL or (kind in SHARED_LOCKS and not LOCAL_LOCKS.search(options)):
        return None
    hosts = {run: study.runs[run]["worker"]["host"] for run in study.runs.keys() - study.gone}
    others = (run for run, host in hosts.items() if host != platform.node())
    return next((f"run {run} on {hosts[run]} (file system {kind})" for run in others), None)
