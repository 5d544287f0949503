"""Fault harness: a small real study, run, killed, run again, and its tables compared.

Black box: only the command line and the files of a script count. Runs are warm, so that thousands
of them take minutes.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import warm
from children import child, kept
from hpo_script.machinery.log_file import LogFile, read_log
from hpo_script.machinery.log_lines import read_event
from hpo_script.machinery.logged_study import LoggedStudy, LoggedTrial
from hpogen.demo_data import prices
from scripts import QUICK, changed, render_to
from warm import Warm

LIMIT = 1800.0  # seconds after which a run hangs for sure
# Three extremes, and a trial of the sampler.
SMALL = changed(QUICK, study={"n_trials": 4}, fixed={"epochs": 2})
# What may differ between a study that was interrupted and one that was not.
APART = re.compile("(user_attrs_)?(datetime_.*|duration|.*seconds|.*_per_second|peak_memory.*)")
Row = dict[str, Any]
Ends = dict[int, tuple[str, float | None, str | None]]  # state, value and time of each end
Tables = dict[str, dict[str, Row]]  # source, row, column


class Run:
    """A process that runs a script."""

    def __init__(self, running: warm.Run, output: Path) -> None:
        self.running, self.pid, self.output = running, running.pid, output

    @property
    def code(self) -> int | None:
        """Return its exit code, minus the signal that ended it, or None while it runs."""
        return self.running.poll()

    @property
    def said(self) -> str:
        """Return its output so far."""
        return self.output.read_text(errors="replace") if self.output.exists() else ""

    def wait(self, seconds: float = LIMIT) -> Run:
        """Wait until it has ended."""
        if self.running.wait(seconds) is None:
            self.signal(signal.SIGKILL)
            raise AssertionError(f"still running after {seconds} s\n{self.said}")
        return self

    def wait_stopped(self) -> None:
        """Wait until the process is stopped."""
        state = Path(f"/proc/{self.pid}/stat")
        while state.read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.001)

    def signal(self, number: int) -> Run:
        """Send it a signal, if it is still there."""
        self.running.send_signal(number)
        return self

    def kill(self) -> Run:
        """Kill it as a lost machine would."""
        return self.signal(signal.SIGKILL).wait()


class Place:
    """A folder with a script and its data, in which runs are started."""

    always: Sequence[str] = ("--checkpoint-minutes", "0")  # after every batch

    def __init__(self, folder: Path, server: Warm) -> None:
        self.folder, self.server = folder, server
        (self.script,) = folder.glob("hpo_*.py")
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

    @property
    def lock(self) -> Path:
        """Return the file of the trials' locks."""
        return self.log.with_name(f"{self.log.name}.lock")

    def copy(self, name: str) -> Place:
        """Return a copy of the folder beside it."""
        target = self.folder.with_name(name)
        shutil.copytree(self.folder, target, symlinks=True)
        return Place(target, self.server)

    def remove(self) -> None:
        """Delete the folder, and the output of its runs."""
        shutil.rmtree(self.folder, ignore_errors=True)
        for output in self.folder.parent.glob(f"{self.folder.name}.run*"):
            output.unlink()

    def start(self, *arguments: str, held: bool = False) -> Run:
        """Start the script; a held run waits for a tracer."""
        self.runs += 1
        output = self.folder.with_name(f"{self.folder.name}.run{self.runs}")
        command = [self.script.name, *self.always, *arguments]
        with output.open("ab") as file:
            outputs = file.fileno(), file.fileno()
            running = warm.Run(self.server.socket, self.folder, command, outputs, held=held)
        return Run(running, output)

    def run(self, *arguments: str) -> Run:
        """Run the script to its end."""
        return self.start(*arguments).wait()

    def finish(self, *arguments: str) -> Run:
        """Run the script to its end, which must be good."""
        run = self.run(*arguments)
        assert run.code == 0, f"the run ended with {run.code}:\n{run.said[-3000:]}"
        return run

    @property
    def study(self) -> LoggedStudy:
        """Return the study of the log."""
        return read_log(self.log).study

    def tables(self) -> Tables:
        """Return the study as the log and trials.csv have it, without times."""
        rows = csv.DictReader(io.StringIO((self.out / "trials.csv").read_text()))
        return {
            "trials.csv": {f"trial {row['number']}": flat(row) for row in rows}
        } | self.logged()

    def logged(self) -> Tables:
        """Return the study as the log has it, without times."""
        return {"log": {f"trial {t.number}": row_of(t) for t in self.study.trials.values()}}

    @property
    def text(self) -> str:
        """Return the log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def contents(self) -> dict[str, bytes]:
        """Return the bytes of every file but the empty one of the locks."""
        files = (p for p in self.folder.rglob("*") if p.is_file() and p.suffix != ".lock")
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in files}

    def ended(self) -> Ends:
        """Return the trials that have an end line."""
        trials = self.study.trials.values()
        return {t.number: (t.state, t.value, t.datetime_complete) for t in trials if t.finished}


@contextlib.contextmanager
def memory() -> Iterator[Path]:
    """Give a folder in memory: thousands of synced writes would take hours on a disk."""
    parent = Path("/dev/shm")  # noqa: S108
    usable = parent if os.access(parent, os.W_OK) else None
    with kept(["sleep", "infinity"], prefix="faults-", parent=usable) as (folder, _):
        yield folder


def make_place(
    folder: Path, server: Warm, name: str = "base", config: Mapping[str, Any] = SMALL
) -> Place:
    """Render a script into a new folder."""
    target = folder / name
    target.mkdir()
    (target / "sp500.csv").write_bytes(prices("sp500"))
    render_to(target, dict(config))
    return Place(target, server)


def row_of(trial: LoggedTrial) -> Row:
    """Return the row of a trial of a log."""
    curve = {"intermediate": dict(enumerate(trial.curve))}
    kept = {"system": trial.system_attrs}
    return flat({"state": trial.state, "value": trial.value, **trial.attributes, **curve, **kept})


def flat(row: Mapping[str, Any], prefix: str = "") -> Row:
    """Return a row with one column per leaf, floats in full, without times."""
    found: Row = {}
    for name, value in row.items():
        if APART.fullmatch(str(name)):
            continue
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = json.dumps(value, sort_keys=True)
    return found


def differences(wanted: Tables, found: Tables, limit: int = 20) -> list[str]:
    """Return one line for each cell that differs."""
    lines = []
    for source in wanted.keys() & found.keys():
        rows, other = wanted[source], found[source]
        lines += [f"{source}: {row} is missing" for row in rows.keys() - other.keys()]
        lines += [f"{source}: {row} is one too many" for row in other.keys() - rows.keys()]
        for row in sorted(rows.keys() & other.keys()):
            for column in sorted(rows[row].keys() | other[row].keys()):
                one, two = rows[row].get(column), other[row].get(column)
                if one != two:
                    lines.append(f"{source}: {row}: {column} is {two}, uninterrupted {one}")
    return sorted(lines)[:limit]


def lost(before: Ends, place: Place) -> list[str]:
    """Return the end lines that were in the log and no longer count."""
    now = place.ended()
    return [
        f"trial {number} had ended {known}, now {now.get(number, 'not')}"
        for number, known in before.items()
        if now.get(number) != known
    ]


def twice(place: Place) -> list[str]:
    """Return what was done more than once: the end of a trial, or an extreme."""
    events = (read_event(line) for line in place.log.read_bytes().splitlines())
    # A line whose sync failed is written again: the same line twice is one end.
    ends = Counter(
        number
        for number, _ in {
            (found[1]["trial"], found[1]["datetime_complete"])
            for found in events
            if found and found[0] == "trial_end"
        }
    )
    attributes = [trial.attributes for trial in place.study.trials.values()]
    extremes = Counter(known["extreme"] for known in attributes if "extreme" in known)
    return [f"trial {name} ended {n} times" for name, n in ends.items() if n > 1] + [
        f"extreme {name} was tried {n} times" for name, n in extremes.items() if n > 1
    ]


def inexact(place: Place, total: int) -> list[str]:
    """Return how the trials of a log differ from exactly `total` good ones, each ended once."""
    log = read_log(place.log)
    states = {number: trial.state for number, trial in sorted(log.study.trials.items())}
    found = [f"lines {log.damaged} are damaged"] if log.damaged else []
    if [*states] != [*range(total)] or {*states.values()} - {"COMPLETE", "PRUNED"}:
        found.append(f"not {total} trials that ended well: {states}")
    return found + twice(place)


def add_lines(place: Place, run: str, *events: tuple[str, Row]) -> None:
    """Write lines into a log, in a round of a run of this process."""
    log = LogFile(place.log, run)
    log.open()
    with log.round():
        for event, fields in events:
            log.write(event, fields)
    os.close(log.locks)


def wait_for(condition: Callable[[], object], run: Run) -> None:
    """Wait until a run has made a condition true."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert run.code is None, f"it ended too early, {run.code}:\n{run.said}"
        assert time.monotonic() < end, f"it never came:\n{run.said}"
        time.sleep(0.002)


def record(suite: str, what: str, **counts: int) -> None:
    """Print the counts of a suite, and add them to the file FAULT_RESULTS if one is named."""
    said = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items())
    print(f"\n{suite}, {what}: {said}")
    if path := os.environ.get("FAULT_RESULTS"):
        with Path(path).open("a") as file:
            file.write(json.dumps({"suite": suite, "what": what, **counts}) + "\n")


class Trace:
    """Strace on a run that was started held; the run continues once it is traced."""

    def __init__(self, run: Run, *options: str, output: Path | None = None) -> None:
        self.output = output or run.output.with_suffix(".trace")
        run.wait_stopped()
        always = ["strace", "-f", "-y", "-s", "80", "-o", str(self.output), "-p", str(run.pid)]
        self.process = subprocess.Popen(
            child(*always, *options), stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr
        first = self.process.stderr.readline()
        assert "attached" in first, first
        run.signal(signal.SIGCONT)

    def count(self, pattern: str) -> int:
        """Return how often a pattern is in the trace so far."""
        return len(re.findall(pattern, self.output.read_text(errors="replace")))

    def lines(self) -> list[str]:
        """Return the traced calls, once the run has ended."""
        self.process.communicate(timeout=LIMIT)
        return self.output.read_text(errors="replace").splitlines()
