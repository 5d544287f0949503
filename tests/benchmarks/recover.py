"""Print how fast logs are recovered, beside other readers; write the figures as JSON.

python tests/benchmarks/recover.py [FIGURES.json]     (QUICK=1: small logs, a minute)

Each figure is the CPU time of a process of its own, start included: the median of several runs.
The runs of all readers take turns, so that a busy moment slows none of them alone. The line loop
is a plain reader that tries the predecessor's patterns on every line. `read_trials` is the
library; the command writes CSV besides.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import recover_logs

ROOT = Path(__file__).resolve().parents[2]
QUICK = bool(os.environ.get("QUICK"))
SCALE = 0.1 if QUICK else 1.0
RUNS = 3
STREAM_GB = 1 if QUICK else 10
LOGS: dict[str, Callable[[Path], None]] = {
    "sparse": lambda path: recover_logs.write_predecessor(path, 200 * SCALE),
    **{
        variant: partial(
            lambda path, variant: recover_logs.write_predecessor(path, 40 * SCALE, variant),
            variant=variant,
        )
        for variant in ("ansi", "crlf", "tqdm", "utf16")
    },
    "dense": lambda path: recover_logs.write_predecessor(path, 20 * SCALE, dense=True),
    "hostile": lambda path: recover_logs.write_predecessor(
        path, 20 * SCALE, dense=True, hostile=True
    ),
    "optuna": lambda path: recover_logs.write_optuna(path, 20 * SCALE),
    "notebook": lambda path: recover_logs.write_notebook(path, 20 * SCALE),
    "own": lambda path: recover_logs.write_own(path, 20 * SCALE),
    "journal": lambda path: recover_logs.write_journal(path, 200 * SCALE),
}
RECOVER = """
import sys
from recover_trials import read_trials
recovery = read_trials(sys.argv[1:])
print(sum(len(study.rows) for study in recovery.studies))
"""
# The memory that a recovery keeps.
KEPT = """
import os, sys
from recover_trials import read_trials
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
before = resident()
recovery = read_trials(sys.argv[1])
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
SUFFIXES = {"notebook": "ipynb", "journal": "journal"}
LINE_LOOP = r"""
import re, sys
value = re.compile(r"Trial (\d+) finished with value: ([\d.]+) and parameters: \{([^}]+)\}")
params = re.compile(r"'(\w+)': ([\d.e-]+)")
header = re.compile(r"\[(\d+)/12\] Starting: hpo_(\w+)_threshold_1pct\.py")
start = re.compile(r"Trial (\d+): arch_idx=(\d+), d_model=(\d+), n_layers=(\d+), n_heads=(\d+), "
                   r"params=([\d,]+), lr=([\d.e-]+), epochs=(\d+), batch_size=(\d+)")
def main():
    trials = {}
    with open(sys.argv[1], encoding=sys.argv[2]) as log:
        for line in log:
            header.search(line)
            start.search(line)
            if found := value.search(line):
                told = {name: float(number) for name, number in params.findall(found[3])}
                trials[int(found[1])] = (float(found[2]), told)
    print(len(trials))
main()
"""


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
    """Return the commands that are compared; grep and rg count the lines about trials."""
    encoding = "utf-16" if path.stem == "utf16" else "utf-8"
    end = "trial_id" if path.stem == "journal" else "Trial "
    found: dict[str, list[str | Path]] = {
        "read_trials": [sys.executable, "-c", RECOVER, path],
        "recover-trials": [sys.executable, "-m", "recover_trials", path],
    }
    if path.suffix == ".gz":
        return found | {"zgrep -c": ["zgrep", "-c", end, path], "rg -c": ["rg", "-zc", end, path]}
    found |= {
        "line loop": [sys.executable, "-c", LINE_LOOP, path, encoding],
        "rg -c": ["rg", "-c", end, path],
    }
    return found if encoding == "utf-16" else found | {"grep -c": ["grep", "-c", end, path]}


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
    kept = int(run(sys.executable, "-c", KEPT, path))
    print(f"\n{name}: {size / 1e6:.0f} MB, {trials} trials, {points} points of curves,")
    print(f"  {kept / trials:.0f} bytes kept per trial")
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
    return {**known, "readers": figures}


def main() -> None:
    """Print the tables."""
    figures: dict[str, Any] = {"runs": RUNS, "python": sys.version.split()[0]}
    start = [sys.executable, "-c", "import recover_trials"]
    figures |= measure({"import": start, "bare Python": [sys.executable, "-c", "pass"]})
    bare, imported = figures["bare Python"]["cpu_s"], figures["import"]["cpu_s"]
    print(f"importing recover_trials: {imported:.3f} s CPU, bare Python: {bare:.3f} s")
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        for name, write in LOGS.items():
            path = Path(folder) / f"{name}.{SUFFIXES.get(name, 'log')}"
            write(path)
            figures[name] = report(name, path)
            if name == "sparse":
                packed = path.with_suffix(".log.gz")
                with path.open("rb") as source, gzip.open(packed, "wb", compresslevel=1) as target:
                    shutil.copyfileobj(source, target)
                figures["gz"] = report("sparse, gzip", packed, path.stat().st_size)
            path.unlink()
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
