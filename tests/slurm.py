"""A Slurm of one machine for tests: munged, slurmctld and slurmd, everything on the loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

DAEMONS = ("munged", "slurmctld", "slurmd")
CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={room}/munge.socket
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={room}/state
SlurmdSpoolDir={room}/spool
SlurmctldPidFile={room}/slurmctld.pid
SlurmdPidFile={room}/slurmd.pid
SlurmctldLogFile={room}/slurmctld.log
SlurmdLogFile={room}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MailProg=/bin/true
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes={host} Default=YES State=UP
"""


def free_ports(n: int) -> list[int]:
    """Return ports that nobody listens on."""
    found = [socket.socket() for _ in range(n)]
    for port in found:
        port.bind(("127.0.0.1", 0))
    numbers = [port.getsockname()[1] for port in found]
    for port in found:
        port.close()
    return numbers


class Cluster:
    """A running Slurm."""

    def __init__(self, room: Path) -> None:
        self.room, self.host = room, socket.gethostname().split(".")[0]
        self.processes: list[subprocess.Popen[bytes]] = []

    def call(self, *command: str, cwd: Path | None = None) -> str:
        """Return what one of Slurm's commands prints."""
        known = {**os.environ, "SLURM_CONF": f"{self.room}/slurm.conf", "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            command, cwd=cwd, env=known, check=True, capture_output=True, text=True
        ).stdout.strip()

    def start(self) -> None:
        """Start the daemons; wait until the machine takes jobs."""
        for name in ("state", "spool"):
            (self.room / name).mkdir()
        (self.room / "key").write_bytes(os.urandom(128))
        (self.room / "key").chmod(0o400)
        (self.room / "slurm.conf").write_text(
            CONFIG.format(host=self.host, room=self.room, ports=free_ports(2))
        )
        key = [f"--key-file={self.room}/key", f"--socket={self.room}/munge.socket"]
        files = [f"--{n}-file={self.room}/munged.{n}" for n in ("pid", "log", "seed")]
        config = f"{self.room}/slurm.conf"
        for command in (
            ["munged", "--foreground", "--force", *key, *files],
            ["slurmctld", "-D", "-i", "-f", config],
            ["slurmd", "-D", "-f", config],
        ):
            with (self.room / f"{command[0]}.out").open("wb") as output:
                self.processes.append(subprocess.Popen(command, stdout=output, stderr=output))
            time.sleep(1)
        for _ in range(60):
            asked = subprocess.run(
                ["sinfo", "-h", "-o", "%t"],
                env={**os.environ, "SLURM_CONF": config},
                capture_output=True,
                check=False,
            )
            if asked.stdout.strip() == b"idle":
                return
            time.sleep(0.5)
        pytest.skip("slurmctld and slurmd do not come up here")

    def stop(self) -> None:
        """End every job, then the daemons."""
        subprocess.run(
            ["scancel", "--user=root"],
            env={**os.environ, "SLURM_CONF": f"{self.room}/slurm.conf"},
            check=False,
        )
        time.sleep(1)
        for process in reversed(self.processes):
            process.terminate()
            process.wait(30)

    def submit(self, folder: Path, *arguments: str) -> str:
        """Submit a job; return its name."""
        return self.call("sbatch", "--parsable", *arguments, cwd=folder)

    def waiting(self) -> list[str]:
        """Return the states of all jobs that have not ended."""
        return self.call("squeue", "-h", "-o", "%T").split()

    def hurry(self, job: str) -> None:
        """Start a job that was queued again now, not two minutes later."""
        self.wait(lambda: self.waiting() == ["PENDING"], 60)
        time.sleep(3)  # a job that begins in the second it was ended in is refused
        self.call("scontrol", "update", f"JobId={job}", "StartTime=now")

    def wait(self, condition: Callable[[], object], seconds: float) -> None:
        """Wait until a condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, self.call("squeue")
            time.sleep(0.2)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a Slurm; a test is skipped where there is none."""
    missing = [name for name in DAEMONS if shutil.which(name) is None]
    if missing or os.getuid():
        pytest.skip(f"not installed, or not root: {missing} (Debian: slurmctld slurmd munge)")
    # The path of a socket may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        Path(folder).chmod(0o755)
        found = Cluster(Path(folder))
        try:
            found.start()
            yield found
        finally:
            found.stop()
