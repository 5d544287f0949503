"""Print how fast logs are recovered, beside other readers; write the figures as JSON.

python tests/benchmarks/recover.py [FIGURES.json]     (QUICK=1: small logs, under a minute)

Each figure is the CPU time of a process of its own, start included: the median of several runs,
those of all readers in turn, so that a busy moment slows none of them alone. The line loop is a
plain reader that tries the predecessor's patterns on every line. `read_trials` is the library,
`with parameters` the library and an access to all parameters. The command writes CSV besides.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
QUICK = bool(os.environ.get("QUICK"))
MEGABYTES = {
    "sparse": 40 if QUICK else 200,
    "dense": 10 if QUICK else 50,
    "own": 6 if QUICK else 30,
}
EPOCH = datetime.fromisoformat("2026-11-21 10:15:00.123")
RUNS = 3 if QUICK else 5
STREAM_GB = 1 if QUICK else 10
RECOVER = """
import sys
from recover_trials import read_trials
recovery = read_trials(sys.argv[1:])
print(sum(len(study.rows) for study in recovery.studies))
"""
# The same, and an access to the parameters of every trial.
ASKED = """
import sys
from recover_trials import read_trials
recovery = read_trials(sys.argv[1:])
print(sum(len(trial.params) for study in recovery.studies for trial in study.rows))
"""
# The memory of a recovery, before and after an access to all parameters.
KEPT = """
import os, sys
from recover_trials import read_trials
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
before = resident()
recovery = read_trials(sys.argv[1])
print(resident() - before)
for study in recovery.studies:
    for trial in study.rows:
        trial.params
print(resident() - before)
"""
# The peak of its own memory: in ru_maxrss is that of the process that started it, too.
STREAM = """
import sys
from recover_trials import read_trials
count, trials = int(sys.argv[1]), 100
epochs = b"2026-11-21 10:15:00.123 - INFO - epoch 3/50 train_loss=0.844422 [3/100]\\n" * 13_000
result = "[I 2026-11-21 10:15:00,123] Trial %d finished with value: %.1f and parameters:"
result += " {'learning_rate': 0.001}. Best is trial 0 with value: 0.0.\\n"
def chunks():
    for index in range(count):
        yield epochs[:-1] + epochs[-1:]  # a copy, as of a stream
        if index % (count // trials) == 0:
            number = index // (count // trials)
            yield (result % (number, number)).encode()
recovery = read_trials([chunks()])
assert [study.counts() for study in recovery.studies] == [{"COMPLETE": trials}], recovery.studies
with open("/proc/self/status") as file:
    (peak,) = [line.split()[1] for line in file if line.startswith("VmHWM")]
print(count * len(epochs), int(peak) * 1024)
"""
LINE_LOOP = r"""
import re, sys
value = re.compile(r"Trial (\d+) finished with value: ([\d.]+) and parameters: \{([^}]+)\}")
params = re.compile(r"'(\w+)': ([\d.e-]+)")
header = re.compile(r"\[(\d+)/12\] Starting: hpo_(\w+)_threshold_1pct\.py")
start = re.compile(r"Trial (\d+): arch_idx=(\d+), d_model=(\d+), n_layers=(\d+), n_heads=(\d+), "
                   r"params=([\d,]+), lr=([\d.e-]+), epochs=(\d+), batch_size=(\d+)")
def main():
    trials = {}
    with open(sys.argv[1]) as log:
        for line in log:
            header.search(line)
            start.search(line)
            if found := value.search(line):
                told = {name: float(number) for name, number in params.findall(found[3])}
                trials[int(found[1])] = (float(found[2]), told)
    print(len(trials))
main()
"""


def optuna_lines(megabytes: float, between: int) -> Iterator[str]:
    """Yield a log in which a result follows so many bytes of epochs."""
    chance, size, number, best = random.Random(0), 0, 0, (0, 9.0)  # noqa: S311
    yield "[I 2026-11-21 10:15:00,123] A new study created in memory with name: study\n"
    while size < megabytes * 1e6:
        time = EPOCH + timedelta(seconds=number)
        epochs, length = [], 0
        while length < between:
            losses = f"train_loss={chance.random():.6f} val_loss={chance.random():.6f}"
            epochs.append(
                f"{time} - INFO - epoch {len(epochs)}/50 {losses} [{number % 100}/100]\n"
            )
            length += len(epochs[-1])
        value = chance.random()
        best = min(best, (number, value), key=lambda pair: pair[1])
        params = {"arch_idx": chance.randrange(75), "learning_rate": chance.random() / 1000}
        params |= {"epochs": 50, "weight_decay": chance.random() / 100, "dropout": chance.random()}
        stamp = f"[I {time:%Y-%m-%d %H:%M:%S},{number % 1000:03d}] "
        told = f"Trial {number} finished with value: {value} and parameters: {params}."
        text = "".join(
            [*epochs, f"{stamp}{told} Best is trial {best[0]} with value: {best[1]}.\n"]
        )
        size += len(text)
        number += 1
        yield text


def own_lines(megabytes: float, version: int) -> Iterator[str]:
    """Yield the log of a search script: fifty epochs for each trial."""
    from recover_samples import SampleLog, SampleLog2

    chance, size, number = random.Random(0), 0, 0  # noqa: S311
    log = SampleLog2() if version == 2 else SampleLog()
    log.open_run()
    while size < megabytes * 1e6:
        log.start(number)
        for epoch in range(1, 51):
            metrics = {name: chance.random() for name in ("train_loss", "val_loss", "auc", "rate")}
            log.evaluate(number, epoch, **metrics)
        log.end(number, value=chance.random())
        text = "".join(f"{line}\n" for line in log.lines)
        log.lines.clear()
        size += len(text)
        number += 1
        yield text


def environment() -> dict[str, str]:
    """Return the environment of the readers: bytecode is there, as in an installed package."""
    found = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }
    found["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "recover-bench-bytecode")
    return {**found, "PYTHONPATH": f"{ROOT}/recover:{ROOT}/templates"}


def run(*command: str | Path) -> str:
    """Return what a command prints."""
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment())
    return done.stdout


def measure_once(command: list[str | Path]) -> tuple[float, float]:
    """Return the CPU seconds of a command and its peak memory in megabytes.

    The output goes into a pipe: grep looks for one match only if it goes to /dev/null.
    """
    wrapper = "import resource,subprocess,sys;subprocess.run(sys.argv[1:],stdout=-1,check=True);u="
    wrapper += (
        "resource.getrusage(resource.RUSAGE_CHILDREN);print(u.ru_utime+u.ru_stime,u.ru_maxrss)"
    )
    time, memory = map(float, run(sys.executable, "-c", wrapper, *command).split())
    return time, memory / 1024


def measure(commands: dict[str, list[str | Path]]) -> dict[str, dict[str, float]]:
    """Return the median CPU time and the peak memory of each command; their runs take turns."""
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(RUNS + 1):  # the first one fills the caches
        for name, command in commands.items():
            runs[name].append(measure_once(command))
    return {
        name: {
            "cpu_s": statistics.median(time for time, _ in found[1:]),
            "peak_mb": max(memory for _, memory in found[1:]),
        }
        for name, found in runs.items()
    }


def readers(path: Path) -> dict[str, list[str | Path]]:
    """Return the commands that are compared; those that count lines count the ends of trials."""
    end = "Trial [0-9]* ended: " if path.name.startswith("own") else "finished with value"
    found: dict[str, list[str | Path]] = {
        "read_trials": [sys.executable, "-c", RECOVER, path],
        "with parameters": [sys.executable, "-c", ASKED, path],
        "recover-trials": [sys.executable, "-m", "recover_trials", path],
    }
    if path.suffix == ".gz":
        return found | {
            "zgrep -c": ["zgrep", "-c", end, path],
            "rg -zc": ["rg", "-zc", end, path],
            "gzip -dc": ["gzip", "-dc", path],
        }
    return found | {
        "line loop": [sys.executable, "-c", LINE_LOOP, path],
        "grep -c": ["grep", "-c", end, path],
        "rg -c": ["rg", "-c", end, path],
        "wc -l": ["wc", "-l", path],
    }


def installed(commands: dict[str, list[str | Path]]) -> dict[str, list[str | Path]]:
    """Return the commands that there are; name the others."""
    missing = [name for name, command in commands.items() if not shutil.which(str(command[0]))]
    if missing:
        print(f"not installed, left out: {', '.join(missing)}")
    return {name: command for name, command in commands.items() if name not in missing}


def rows_of(path: Path) -> tuple[int, int]:
    """Return how many trials and how many points of curves a log has."""
    from recover_trials import read_trials

    rows = [row for study in read_trials(path).studies for row in study.rows]
    return len(rows), sum(len(row.user_attrs.get("learning_curve", [])) for row in rows)


def report(name: str, path: Path, size: int | None = None) -> dict[str, Any]:
    """Print and return the figures of one log."""
    size = size or path.stat().st_size
    trials, points = rows_of(path)
    kept, asked = map(int, run(sys.executable, "-c", KEPT, path).split())
    of_each = f"{kept / (points or trials):.0f} ({asked / (points or trials):.0f} with parameters)"
    each = f"{of_each} bytes kept per {'point' if points else 'trial'}"
    print(f"\n{name}: {size / 1e6:.0f} MB, {trials} trials, {points} points of curves, {each}")
    figures = measure(installed(readers(path)))
    ours = figures["read_trials"]["cpu_s"]
    for reader, found in figures.items():
        found["mb_per_cpu_s"] = size / 1e6 / max(found["cpu_s"], 1e-3)
        found["ratio"] = found["cpu_s"] / ours
        print(
            f"  {reader:15} {found['cpu_s']:7.3f} s CPU {found['mb_per_cpu_s']:8.0f} MB per CPU-s"
            f" {found['peak_mb']:6.0f} MB peak   read_trials takes"
            f" {1 / max(found['ratio'], 1e-9):6.2f} x its time"
        )
    known = {"mb": size / 1e6, "trials": trials, "points": points, "bytes_kept": kept}
    known |= {"bytes_kept_with_parameters": asked}
    return {**known, "readers": figures}


def main() -> None:
    """Print the tables."""
    figures: dict[str, Any] = {"runs": RUNS, "python": sys.version.split()[0]}
    sys.path[:0] = [str(ROOT / folder) for folder in ("tests", "templates", "recover")]
    start = [sys.executable, "-c", "import recover_trials"]
    figures |= measure({"import": start, "bare Python": [sys.executable, "-c", "pass"]})
    bare, imported = figures["bare Python"]["cpu_s"], figures["import"]["cpu_s"]
    print(f"importing recover_trials: {imported:.3f} s CPU, bare Python: {bare:.3f} s")
    with tempfile.TemporaryDirectory() as folder:
        logs = {
            "sparse": optuna_lines(MEGABYTES["sparse"], 7000),
            "dense": optuna_lines(MEGABYTES["dense"], 300),
            "own": own_lines(MEGABYTES["own"], 2),
            "own version 1": own_lines(MEGABYTES["own"], 1),
        }
        for name, lines in logs.items():
            path = Path(folder) / f"{name}.log"
            with path.open("w") as file:
                file.writelines(lines)
            figures[name] = report(name, path)
        plain, packed = Path(folder) / "sparse.log", Path(folder) / "sparse.log.gz"
        with plain.open("rb") as source, gzip.open(packed, "wb", compresslevel=1) as target:
            shutil.copyfileobj(source, target)
        figures["gz"] = report("sparse, gzip", packed, plain.stat().st_size)
    figures["stream"] = report_stream()
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(figures, indent=1) + "\n")


def report_stream() -> dict[str, float]:
    """Print and return the peak memory of a long stream beside that of a short one."""
    found: dict[str, float] = {}
    for kind, megabytes in (("short", 100), ("long", 1000 * STREAM_GB)):
        size, peak = map(int, run(sys.executable, "-c", STREAM, str(megabytes)).split())
        found |= {f"{kind}_mb": size / 1e6, f"{kind}_peak_mb": peak / 2**20}
        print(f"stream of {size / 1e6:.0f} MB with 100 trials: {peak / 2**20:.0f} MB peak")
    return found


if __name__ == "__main__":
    main()
