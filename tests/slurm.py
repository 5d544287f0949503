"""A Slurm of one machine for tests: munged, slurmctld and slurmd, everything on the loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from children import kept

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

START = """\
mkdir state spool
(umask 377 && head -c 128 /dev/urandom >key)
munged --foreground --force --key-file="$PWD/key" --socket="$PWD/munge.socket" \
  --pid-file="$PWD/munged.pid" --log-file="$PWD/munged.log" --seed-file="$PWD/munged.seed" &
until [ -S munge.socket ] && [ -f slurm.conf ]; do sleep 0.1; done
slurmctld -D -i -f "$PWD/slurm.conf" >slurmctld.out 2>&1 &
exec slurmd -D -f "$PWD/slurm.conf" >slurmd.out 2>&1
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

    def ask(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run one of Slurm's commands."""
        known = {**os.environ, "SLURM_CONF": f"{self.room}/slurm.conf", "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            command, cwd=cwd, env=known, check=False, capture_output=True, text=True
        )

    def call(self, *command: str, cwd: Path | None = None) -> str:
        """Run a command of Slurm, which must succeed; return its output."""
        done = self.ask(*command, cwd=cwd)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def configure(self) -> None:
        """Write the configuration, which the daemons wait for."""
        path = self.room / "slurm.conf"
        part = path.with_name("part")
        part.write_text(CONFIG.format(host=self.host, room=self.room, ports=free_ports(2)))
        part.replace(path)

    def wait_until_ready(self, keeper: subprocess.Popen[str]) -> None:
        """Wait until the machine takes jobs."""
        while self.ask("sinfo", "-h", "-o", "%t").stdout.strip() != "idle":
            if keeper.poll() is not None:
                pytest.skip("slurmctld and slurmd do not come up here")
            time.sleep(0.2)

    def submit(self, folder: Path, *arguments: str) -> str:
        """Submit a job; return its name."""
        return self.call("sbatch", "--parsable", *arguments, cwd=folder)

    def waiting(self) -> list[str]:
        """Return the states of all jobs that have not ended."""
        return self.call("squeue", "-h", "-o", "%T").split()

    def hurry(self, job: str) -> None:
        """Start a job, or array, that was queued again now, not two minutes later."""
        self.wait(lambda: set(self.waiting()) == {"PENDING"}, 60)
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
    with kept(["sh", "-c", START], prefix="slurm-") as (room, keeper):
        room.chmod(0o755)
        found = Cluster(room)
        found.configure()
        found.wait_until_ready(keeper)
        yield found
