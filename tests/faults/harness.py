"""Fault harness: a small real study, run, killed, run again, and its tables compared.

Black box: only the command line and the files of a rendered script count. Runs are forked from
`nursery.py`, so that thousands of them take minutes.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from hpogen.demo_data import prices
from recover_trials import read_trials
from scripts import QUICK, changed, render_to

HERE = Path(__file__).resolve().parent
LIMIT = 120.0  # seconds that a run of a small study may take at most
# Small and short: what is told apart here is what is kept, not what is learnt.
SMALL = changed(QUICK, study={"n_trials": 3}, fixed={"epochs": 3})
# Times and who ran: all that may differ between a study that was interrupted and one that was not.
APART = {
    *("datetime_start", "datetime_complete", "duration", "duration_seconds", "seconds"),
    *("study_id", "owner", "worker", "user_attrs_seconds", "user_attrs_owner"),
    "user_attrs_worker",
}
ENDED = re.compile(
    rb'Trial (\d+) ended: [^\n]*state="(\w+)", value=([^,\n]*),[^\n]*'
    rb'datetime_complete="([^"\n]*)"[^\n]* ;[0-9a-f]{8}\n'
)
Row = dict[str, Any]
Ends = dict[int, tuple[str, str, str]]  # state, value and end of each trial
Tables = dict[str, dict[str, Row]]  # source, row, column


class Nursery:
    """The parent of all runs; `ahead` are folders whose packages come before the installed."""

    def __init__(self, *ahead: Path) -> None:
        paths = os.pathsep.join(map(str, ahead))
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "nursery.py")],
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdin
        assert self.process.stdout
        self.jobs, self.answers = self.process.stdin, self.process.stdout.fileno()
        self.rest, self.started, self.ended = b"", [], {}
        self.hear(LIMIT)

    def close(self) -> None:
        """End it; its children go on or have ended."""
        self.jobs.close()
        os.close(os.dup(self.answers))
        self.process.wait(LIMIT)
        assert self.process.stdout
        self.process.stdout.close()

    def hear(self, seconds: float) -> None:
        """Take what it says, or nothing for some seconds."""
        if not select.select([self.answers], [], [], max(seconds, 0.0))[0]:
            return
        got = os.read(self.answers, 65536)
        assert got, "the nursery has died"
        *lines, self.rest = (self.rest + got).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "started" in message:
                self.started.append(message["started"])
            elif "ended" in message:
                self.ended[message["ended"]] = message["code"]

    def start(self, folder: Path, output: Path, arguments: Sequence[str], **job: Any) -> Run:
        """Start a Python file."""
        job = {"held": False, "environment": {}, **job}
        job |= {"folder": str(folder), "output": str(output), "arguments": [*arguments]}
        self.jobs.write(json.dumps(job).encode() + b"\n")
        self.jobs.flush()
        while not self.started:
            self.hear(LIMIT)
        return Run(self, self.started.pop(), output)


class Run:
    """A process that runs a script."""

    def __init__(self, nursery: Nursery, pid: int, output: Path) -> None:
        self.nursery, self.pid, self.output = nursery, pid, output
        nursery.ended.pop(pid, None)  # of an earlier process of that number

    @property
    def code(self) -> int | None:
        """Return its exit code, minus the signal that ended it, or None while it runs."""
        self.nursery.hear(0)
        return self.nursery.ended.get(self.pid)

    @property
    def said(self) -> str:
        """Return what it has printed."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def wait(self, seconds: float = LIMIT) -> Run:
        """Wait until it has ended."""
        end = time.monotonic() + seconds
        while self.code is None:
            if time.monotonic() > end:
                self.signal(signal.SIGKILL)
                raise AssertionError(f"still running after {seconds} s\n{self.said}")
            self.nursery.hear(min(0.5, end - time.monotonic()))
        return self

    def wait_stopped(self) -> None:
        """Wait until a run that was started held stands still."""
        state = Path(f"/proc/{self.pid}/stat")
        while state.read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.001)

    def signal(self, number: int) -> Run:
        """Send it a signal, if it is still there."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        return self

    def kill(self) -> Run:
        """Kill it as a lost machine would."""
        return self.signal(signal.SIGKILL).wait()


class Place:
    """A folder with a script and its data, in which runs are started."""

    pattern = "hpo_*.py"
    always: Sequence[str] = ("--checkpoint-minutes", "0")  # after every batch

    def __init__(self, folder: Path, nursery: Nursery) -> None:
        self.folder, self.nursery = folder, nursery
        (self.script,) = folder.glob(self.pattern)
        self.storage: str | None = None
        self.runs = 0

    @property
    def name(self) -> str:
        """Return the name of the study."""
        return self.script.stem

    @property
    def out(self) -> Path:
        """Return the folder of the results."""
        return self.folder / "outputs" / self.name

    @property
    def log(self) -> Path:
        """Return the trial log."""
        return self.folder / "logs" / f"{self.name}.log"

    def copy(self, name: str) -> Place:
        """Return a copy of the folder beside it, with whatever is in it."""
        target = self.folder.with_name(name)
        shutil.copytree(self.folder, target, symlinks=True)
        place = type(self)(target, self.nursery)
        place.storage = self.storage
        return place

    def remove(self) -> None:
        """Delete the folder, and what its runs have printed."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for output in self.folder.parent.glob(f"{self.folder.name}.run*"):
            output.unlink()

    def start(self, *arguments: str, **job: Any) -> Run:
        """Start the script."""
        self.runs += 1
        environment = {"OPTUNA_STORAGE": self.storage} if self.storage else {}
        output = self.folder.with_name(f"{self.folder.name}.run{self.runs}")
        command = [self.script.name, *self.always, *arguments]
        job["environment"] = {**environment, **job.get("environment", {})}
        return self.nursery.start(self.folder, output, command, **job)

    def run(self, *arguments: str, **job: Any) -> Run:
        """Run the script to its end."""
        return self.start(*arguments, **job).wait()

    def finish(self, *arguments: str, tries: int = 1) -> Run:
        """Run the script until it has ended well."""
        for _ in range(tries):
            run = self.run(*arguments)
            if run.code == 0:
                return run
        raise AssertionError(f"the rerun ended with {run.code}:\n{run.said[-3000:]}")

    def address(self) -> str:
        """Return the address of the storage, as Optuna takes it."""
        return self.storage or f"sqlite:///{self.out}/study.db"

    def trials(self) -> list[FrozenTrial]:
        """Return the trials that were begun, as the storage holds them."""
        address = self.address()
        storage: Any
        if address.startswith("journal://"):
            path = self.folder / address.removeprefix("journal://")
            storage = JournalStorage(JournalFileBackend(str(path)))
        else:
            storage = RDBStorage(address, skip_compatibility_check=True)
        try:
            study = storage.get_study_id_from_name(self.name)
            trials = storage.get_all_trials(study)
        finally:
            if isinstance(storage, RDBStorage):
                storage.remove_session()
                storage.engine.dispose()
        return [trial for trial in trials if trial.state != TrialState.WAITING]

    def tables(self) -> Tables:
        """Return the study as its storage, its files and its log tell it, times left out."""
        sources: dict[str, Callable[[], dict[str, Row]]] = {
            "storage": self.stored,
            "trials.csv": self.listed,
            "all_trials.json": self.kept,
            "log": self.logged,
        }
        return {name: source() for name, source in sources.items()}

    def stored(self) -> dict[str, Row]:
        """Return the rows of the storage."""
        return {f"trial {t.number}": flat(row_of(t)) for t in self.trials()}

    def logged(self) -> dict[str, Row]:
        """Return the rows that the log alone gives."""
        found: dict[str, Row] = {}
        for study in read_trials([self.log]).studies:
            for trial in study.rows:
                number = f"trial {trial.number}"
                while number in found:
                    number += " again"
                found[number] = flat(row_of(trial) | {"flags": list(trial.flags)})
        return found

    def listed(self) -> dict[str, Row]:
        """Return the rows of trials.csv."""
        rows = csv.DictReader(io.StringIO((self.out / "trials.csv").read_text()))
        return {f"trial {row['number']}": flat(row) for row in rows}

    def kept(self) -> dict[str, Row]:
        """Return the rows of all_trials.json, and what stands above them."""
        whole = json.loads((self.out / "all_trials.json").read_text())
        rows = {f"trial {row['trial_number']}": flat(row) for row in whole.pop("trials")}
        return {"head": flat(whole), **rows}

    @property
    def text(self) -> str:
        """Return the log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def contents(self) -> dict[str, bytes]:
        """Return every file with its bytes; the locks of live processes are none."""
        files = (p for p in self.folder.rglob("*") if p.is_file() and p.suffix != ".lock")
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}

    def reported(self) -> Ends:
        """Return what the log has reported as finished."""
        return ends_in(self.log.read_bytes()) if self.log.exists() else {}


@contextlib.contextmanager
def places() -> Iterator[Path]:
    """Give a folder in memory: thousands of synced writes would take hours on a disk."""
    memory = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(
        prefix="faults-", dir=memory if os.access(memory, os.W_OK) else None
    ) as folder:
        yield Path(folder)


def make_place(
    folder: Path, nursery: Nursery, name: str = "base", config: Mapping[str, Any] = SMALL
) -> Place:
    """Render a script into a new folder."""
    target = folder / name
    target.mkdir()
    (target / "sp500.csv").write_bytes(prices("sp500"))
    render_to(target, dict(config))
    return Place(target, nursery)


def row_of(trial: Any) -> Row:
    """Return the row of a trial of Optuna or of a log."""
    state = trial.state if isinstance(trial.state, str) else trial.state.name
    return {
        "number": trial.number,
        "state": state,
        "value": trial.value,
        "params": trial.params,
        "user_attrs": trial.user_attrs,
        "intermediate_values": {str(k): v for k, v in trial.intermediate_values.items()},
    }


def flat(row: Mapping[str, Any], prefix: str = "") -> Row:
    """Return a row with one column per leaf, floats in full, times left out."""
    found: Row = {}
    for name, value in row.items():
        if name in APART:
            continue
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = json.dumps(value, sort_keys=True)
    return found


def differences(wanted: Tables, found: Tables, limit: int = 20) -> list[str]:
    """Return one line for each cell that differs."""
    lines = []
    for source, rows in wanted.items():
        other = found[source]
        lines += [f"{source}: {row} is missing" for row in rows.keys() - other.keys()]
        lines += [f"{source}: {row} is one too many" for row in other.keys() - rows.keys()]
        for row in sorted(rows.keys() & other.keys()):
            for column in sorted(rows[row].keys() | other[row].keys()):
                one, two = rows[row].get(column), other[row].get(column)
                if one != two:
                    lines.append(f"{source}: {row}: {column} is {two}, uninterrupted {one}")
    return sorted(lines)[:limit]


def ends_in(text: bytes) -> Ends:
    """Return the trials that whole lines of a log report as finished."""
    found = [[part.decode() for part in parts] for parts in ENDED.findall(text)]
    return {int(number): (state, value, end) for number, state, value, end in found}


def lost(before: Ends, place: Place) -> list[str]:
    """Return what had been reported finished and is not what the storage holds now."""
    now = {
        t.number: (t.state.name, json.dumps(t.value), str(t.datetime_complete))
        for t in place.trials()
    }
    return [
        f"trial {number} was reported {known}, now {now.get(number, 'gone')}"
        for number, known in before.items()
        if now.get(number) != known
    ]


def twice(place: Place) -> list[str]:
    """Return what was finished more than once: a number, or an architecture at an end."""
    text = place.log.read_text(errors="replace")
    ends = re.findall(r'Trial (\d+) ended: .*datetime_complete="([^"]*)"', text)
    numbers = Counter(number for number, _ in set(ends))
    extremes = Counter(
        t.user_attrs["extreme"] for t in place.trials() if "extreme" in t.user_attrs
    )
    return [f"trial {name} ended {n} times" for name, n in numbers.items() if n > 1] + [
        f"extreme {name} was tried {n} times" for name, n in extremes.items() if n > 1
    ]


def wait_for(condition: Callable[[], object], run: Run) -> None:
    """Wait until a condition holds, which the run has to bring about."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert run.code is None, f"it ended too early, {run.code}:\n{run.said}"
        assert time.monotonic() < end, f"it never came:\n{run.said}"
        time.sleep(0.002)


def record(suite: str, what: str, **counts: int) -> None:
    """Print what a suite has done, and add it to the file FAULT_RESULTS if one is named."""
    told = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items())
    print(f"\n{suite}, {what}: {told}")
    if path := os.environ.get("FAULT_RESULTS"):
        with Path(path).open("a") as file:
            file.write(json.dumps({"suite": suite, "what": what, **counts}) + "\n")


class Trace:
    """Strace on a run that was started held; the run goes on once it is traced."""

    def __init__(self, run: Run, *options: str, output: Path | None = None) -> None:
        self.output = output or run.output.with_suffix(".trace")
        run.wait_stopped()
        self.process = subprocess.Popen(
            [
                "strace",
                "-f",
                "-y",
                "-s",
                "80",
                "-o",
                str(self.output),
                *options,
                "-p",
                str(run.pid),
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr
        first = self.process.stderr.readline()
        assert "attached" in first, first
        run.signal(signal.SIGCONT)

    def lines(self) -> list[str]:
        """Return what was traced, once the run has ended."""
        self.process.communicate(timeout=LIMIT)
        return self.output.read_text(errors="replace").splitlines()
