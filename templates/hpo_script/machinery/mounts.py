"""Mounts: whether the locks beside a log reach another machine that works on it.

Measured on NFSv4.2; Lustre with `flock`, CephFS and GPFS by their documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from hpo_script.machinery.logged_study import LoggedStudy

# A local file system is seen by one machine: a run of another host is from before a move.
LOCAL = {*("", "apfs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs")}
SHARED_LOCKS = {"nfs4", "ceph", "gpfs", "lustre"}
LOCAL_LOCKS = re.compile(r"\b(nolock|local_lock=(?!none)\w+|localflock|noflock)\b")


def mount_of(file: int) -> tuple[str, str]:
    """Return the kind of the file system of an open file, and its options; "" if unknown."""
    info = Path(f"/proc/self/fdinfo/{file}")
    mount_id = re.search(r"mnt_id:\s*(\d+)", info.read_text()) if info.exists() else None
    for line in Path("/proc/self/mountinfo").read_text().splitlines() if mount_id else ():
        before, _, after = line.partition(" - ")
        if mount_id and before.split()[0] == mount_id[1]:
            kind, _, options = after.split(" ", 2)
            return kind, options
    return "", ""


def unreachable_worker(study: LoggedStudy, here: Mapping[str, str], file: int) -> str | None:
    """Return the worker of another machine whose locks may not be visible here, if any."""
    kind, options = mount_of(file)
    if kind in LOCAL or (kind in SHARED_LOCKS and not LOCAL_LOCKS.search(options)):
        return None
    # A run that was killed has no end; it is gone where another run took its trial.
    gone = study.ended_runs.union(*(trial.claims[:-1] for trial in study.trials.values()))
    for run, fields in study.runs.items():
        worker = fields["worker"]
        if run not in gone and worker["host"] != here["host"]:
            return f"run {run} on {worker['host']} (file system {kind})"
    return None
