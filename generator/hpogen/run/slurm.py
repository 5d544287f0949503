"""Slurm: the job script of an array, its submission, and its state in the queue."""

from __future__ import annotations

import getpass
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hpogen.configuration.yaml_file import shown
from hpogen.errors import MissingDependencyError, UsageError
from hpogen.files import write_atomic
from hpogen.run.script_order import COPIES, LOGS, Script
from hpogen.run.worker import LOST, Worker, size_of

COMMANDS = ("sbatch", "squeue", "scancel")
WARNING = 120  # seconds before the time limit at which Slurm signals a job
LEAST_MINUTES = 5.0  # of a time limit: a shorter one leaves hardly any time to train
LOOK = 5.0  # seconds between two looks at the queue
UNUSABLE, STOPPED = (2, 3), 75
# The script runs as a child, because bash runs a trap only after the command in front of it has
# ended. A job that was warned, or whose script saw the end coming, goes back to the queue; the
# code of any other end is kept for `hpogen run`. Without one, the job was cut off.
SCRIPT = """\
#!/bin/bash
# Written by `hpogen run --slurm`: {workers} workers that share {log}.
{directives}
code_file={room}/$SLURM_ARRAY_TASK_ID.code
rm -f "$code_file"
{variables}
{command} & child=$!
trap 'kill -USR1 $child' USR1
trap 'kill -TERM $child' TERM
wait $child; code=$?
while kill -0 $child 2> /dev/null; do wait $child; code=$?; done
output={output}.$SLURM_ARRAY_TASK_ID.out
if [ $code = 75 ] && tail -n 5 "$output" | grep -q 'stopped: end of the job'; then code=138; fi
if [ $code = 138 ] && [ ! -e {stop} ]; then exec scontrol requeue "$SLURM_JOB_ID"; fi
echo $code > "$code_file"
exit $code
"""


@dataclass(frozen=True)
class Request:
    """What an array job asks Slurm for; None is left to Slurm.

    Attributes:
        workers: tasks of the array, which share a log.
        time: limit of each, as Slurm reads it.
        further: options of sbatch, as given.
    """

    workers: int = 1
    partition: str | None = None
    gpus: str | None = None
    time: str | None = None
    further: Sequence[str] = ()

    def directives(self, script: Script, workers: int) -> list[str]:
        """Return the options of sbatch for a script."""
        given = {
            "job-name": script.name,
            "array": f"0-{workers - 1}",
            "output": f"{LOGS}/{script.name}.%a.out",
            "open-mode": "append",
            "signal": f"B:USR1@{WARNING}",
            "partition": self.partition,
            "gpus": self.gpus,
            "time": self.time,
        }
        options = [f"--{name}={value}" for name, value in given.items() if value is not None]
        return ["--requeue", *options, *self.further]


def minutes_of(limit: str) -> float | None:
    """Return the minutes of a time limit of Slurm; None for a form that is not known here."""
    days, dash, rest = limit.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdecimal() for part in [*parts, *([days] if dash else [])]):
        return None
    numbers = [int(part) for part in parts]
    if dash:  # days-hours[:minutes[:seconds]]
        hours, minutes, seconds = [*numbers, 0, 0][:3]
        return 1440 * int(days) + 60 * hours + minutes + seconds / 60
    if len(numbers) < 3:  # minutes[:seconds]
        return numbers[0] + (numbers[1] / 60 if len(numbers) == 2 else 0)
    return 60 * numbers[0] + numbers[1] + numbers[2] / 60


def room_of(script: Script) -> Path:
    """Return the folder of a script's job: its script, its number, exit codes of its tasks."""
    return COPIES / "slurm" / script.name


def job_script(
    script: Script,
    request: Request,
    workers: int,
    command: Sequence[str],
    variables: Mapping[str, str],
) -> str:
    """Return the job script of a search script."""
    directives = request.directives(script, workers)
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return SCRIPT.format(
        workers=workers,
        log=script.log,
        directives="\n".join(f"#SBATCH {shlex.quote(option)}" for option in directives),
        room=shlex.quote(str(room_of(script))),
        variables="\n".join(exports),
        command=shlex.join(command),
        output=shlex.quote(str(LOGS / script.name)),
        stop=shlex.quote(str(LOGS / "STOP")),
    )


def refuse_without_slurm() -> None:
    """Raise MissingDependencyError where Slurm's commands are missing."""
    missing = [name for name in COMMANDS if shutil.which(name) is None]
    if missing:
        raise MissingDependencyError(
            f"--slurm needs {', '.join(missing)}: run this on a login node of the cluster"
            " (Debian: apt-get install slurm-client)"
        )


def asked(*command: str) -> str:
    """Return the output of a command of Slurm. Raises UsageError."""
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    if done.returncode:
        raise UsageError(f"{command[0]}: {shown(done.stderr.strip(), 500)}")
    return done.stdout


def submit(script: Script, text: str) -> str:
    """Submit a job script; return the number of the array job. Raises HpogenError."""
    room = room_of(script)
    path, number = room / "job.sh", room / "number"
    write_atomic(path, text.encode(), executable=True)
    for old in room.glob("*.code"):
        old.unlink()
    found = asked("sbatch", "--parsable", str(path)).strip().partition(";")[0]
    if not re.fullmatch("[0-9]+", found):
        raise UsageError(f"sbatch: no job number in {shown(found, 100)}")
    write_atomic(number, f"{found}\n".encode())
    return found


class Queue:
    """The states of this user's jobs, asked every few seconds."""

    def __init__(self) -> None:
        self.states: dict[str, list[str]] = {}
        self.next_look = 0.0

    def look(self) -> bool:
        """Ask Slurm, if it is time; return whether the states are new.

        A controller that does not answer changes nothing.
        """
        if time.monotonic() < self.next_look:
            return False
        self.next_look = time.monotonic() + LOOK
        with suppress(UsageError):
            user = getpass.getuser()
            lines = asked("squeue", "--noheader", "--array", f"--user={user}", "--format=%F %T")
            self.states = {}
            for number, _, state in (line.partition(" ") for line in lines.splitlines()):
                self.states.setdefault(number, []).append(state.strip())
            return True
        return False


@dataclass
class ArrayJob(Worker):
    """An array job, in the place of a process: it ends when no task of it is in the queue."""

    number: str = ""
    queue: Queue = field(default_factory=Queue)
    log: Path = Path()
    size_before: int = 0

    @property
    def script(self) -> str:
        return self.lock.name

    @property
    def output(self) -> Path:
        return LOGS / f"{self.script}.0.out"

    @property
    def states(self) -> list[str]:
        return self.queue.states.get(self.number, [])

    @property
    def is_queued(self) -> bool:
        """Return whether no task runs yet."""
        return all(state in ("PENDING", "REQUEUED") for state in self.states)

    @property
    def has_progress(self) -> bool:
        """Return whether the log has grown since the submission."""
        return size_of(self.log) > self.size_before

    def poll(self) -> int | None:
        """Return the code that decides what follows, LOST for a job cut off; None before."""
        if self.states:
            if self.is_queued:
                self.changed = time.monotonic()  # waiting in the queue is no hanging
            if self.told is not None and "PENDING" in self.states:
                cancel(self.number, "--state=PENDING")  # requeued just before it was stopped
            return None
        return decisive(codes_in(self.lock))

    def signal(self, number: int) -> None:
        """Let running tasks write checkpoints and cancel the others; SIGKILL cancels all."""
        if number == signal.SIGKILL:
            cancel(self.number)
            return
        cancel(self.number, "--state=PENDING")
        cancel(self.number, "--batch", "--signal=TERM", "--state=RUNNING")


def cancel(number: str, *options: str) -> None:
    """Cancel or signal tasks of a job; one that has ended is no error."""
    with suppress(UsageError):
        asked("scancel", "--quiet", *options, number)


def codes_in(room: Path) -> list[int | None]:
    """Return the exit codes of an array's tasks; None for a task that was cut off."""
    tasks = int(re.findall(r"--array=0-(\d+)", (room / "job.sh").read_text())[0]) + 1
    return [code_in(room / f"{task}.code") for task in range(tasks)]


def code_in(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def decisive(codes: Iterable[int | None]) -> int:
    """Return the code that decides about the whole job: the gravest one."""
    found = list(codes)
    for code in (code for code in found if code in UNUSABLE):
        return code or 0
    if None in found:
        return LOST
    crashes = [code for code in found if code not in (0, 1, STOPPED)]
    return next((code for code in crashes if code), STOPPED if STOPPED in found else 0)


def number_of(script: Script) -> str:
    """Return the number of a script's last job; empty if it has none."""
    try:
        return (room_of(script) / "number").read_text().strip()
    except OSError:
        return ""


def slurm_variables(found: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables of a job; the number of threads is Slurm's."""
    return {name: value for name, value in found.items() if name != "OMP_NUM_THREADS"}
