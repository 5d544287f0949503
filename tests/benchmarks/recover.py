"""Print how fast logs are recovered, beside what else reads them; write the figures as JSON.

python tests/benchmarks/recover.py [FIGURES.json]     (QUICK=1: small logs, under a minute)

Each figure is CPU time of a process of its own, the least of three. The line loop is what a plain
reader does: every line, the predecessor's patterns.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
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
RECOVER = """
import resource, sys
from recover_trials import read_trials
recovery = read_trials(sys.argv[1:])
print(sum(len(study.rows) for study in recovery.studies))
"""
LINE_LOOP = r"""
import re, sys
value = re.compile(r"Trial (\d+) finished with value: ([\d.]+) and parameters: \{([^}]+)\}")
params = re.compile(r"'(\w+)': ([\d.e-]+)")
header = re.compile(r"\[(\d+)/12\] Starting: hpo_(\w+)_threshold_1pct\.py")
start = re.compile(r"Trial (\d+): arch_idx=(\d+), d_model=(\d+), n_layers=(\d+), n_heads=(\d+), "
                   r"params=([\d,]+), lr=([\d.e-]+), epochs=(\d+), batch_size=(\d+)")
trials = {}
with open(sys.argv[1]) as log:
    for line in log:
        header.search(line)
        start.search(line)
        if found := value.search(line):
            told = {name: float(number) for name, number in params.findall(found[3])}
            trials[int(found[1])] = (float(found[2]), told)
print(len(trials))
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


def own_lines(megabytes: float) -> Iterator[str]:
    """Yield the log of a search script: fifty epochs for each trial."""
    sys.path[:0] = [str(ROOT / folder) for folder in ("tests", "templates", "recover")]
    from recover_samples import SampleLog

    chance, size, number = random.Random(0), 0, 0  # noqa: S311
    log = SampleLog()
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


def measure(*command: str | Path) -> dict[str, float]:
    """Return the least CPU time of three runs, and the peak memory in megabytes.

    The output goes into a pipe: grep looks for one match only if it goes to /dev/null.
    """
    times, peak = [], 0.0
    for _ in range(3):
        wrapper = "import resource,subprocess,sys;subprocess.run(sys.argv[1:],stdout=-1);u="
        wrapper += (
            "resource.getrusage(resource.RUSAGE_CHILDREN);print(u.ru_utime+u.ru_stime,u.ru_maxrss)"
        )
        done = subprocess.run(
            [sys.executable, "-c", wrapper, *command],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{ROOT}/recover:{ROOT}/templates"},
        )
        time, memory = map(float, done.stdout.split())
        times.append(time)
        peak = max(peak, memory / 1024)
    return {"cpu_s": min(times), "peak_mb": peak}


def readers(path: Path) -> dict[str, list[str | Path]]:
    """Return the commands that are compared."""
    found: dict[str, list[str | Path]] = {
        "recover-trials": [sys.executable, "-c", RECOVER, path],
        "line loop": [sys.executable, "-c", LINE_LOOP, path],
        "grep -c": ["grep", "-c", "finished with value", path],
        "rg -c": ["rg", "-c", "finished with value", path],
        "wc -l": ["wc", "-l", path],
    }
    return {name: command for name, command in found.items() if shutil.which(str(command[0]))}


def rows_of(path: Path) -> tuple[int, int]:
    """Return how many trials and how many points of curves a log has."""
    from recover_trials import read_trials

    rows = [row for study in read_trials(path).studies for row in study.rows]
    return len(rows), sum(len(row.user_attrs.get("learning_curve", [])) for row in rows)


def main() -> None:
    """Print the tables."""
    figures: dict[str, Any] = {}
    start = measure(sys.executable, "-c", "import recover_trials")
    figures["start"] = start
    print(f"importing recover_trials: {start['cpu_s']:.3f} s CPU, {start['peak_mb']:.0f} MB")
    with tempfile.TemporaryDirectory() as folder:
        logs = {
            "sparse": optuna_lines(MEGABYTES["sparse"], 7000),
            "dense": optuna_lines(MEGABYTES["dense"], 300),
            "own": own_lines(MEGABYTES["own"]),
        }
        for name, lines in logs.items():
            path = Path(folder) / f"{name}.log"
            with path.open("w") as file:
                file.writelines(lines)
            figures[name] = report(name, path, readers(path))
        packed = Path(folder) / "sparse.log.gz"
        with gzip.open(packed, "wb", compresslevel=1) as file:
            file.write((Path(folder) / "sparse.log").read_bytes())
        size = (Path(folder) / "sparse.log").stat().st_size
        commands = {"recover-trials": readers(packed)["recover-trials"]}
        commands["gzip -dc"] = ["gzip", "-dc", packed]
        figures["gz"] = report("sparse, gzip", packed, commands, size)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(json.dumps(figures, indent=1) + "\n")


def report(
    name: str, path: Path, commands: dict[str, list[str | Path]], size: int | None = None
) -> dict[str, Any]:
    """Print and return the figures of one log."""
    size = size or path.stat().st_size
    trials, points = rows_of(path)
    print(f"\n{name}: {size / 1e6:.0f} MB, {trials} trials, {points} points of curves")
    figures: dict[str, Any] = {"mb": size / 1e6, "trials": trials, "points": points}
    for reader, command in commands.items():
        found = measure(*command)
        found["mb_per_cpu_s"] = size / 1e6 / max(found["cpu_s"], 1e-3)
        figures[reader] = found
    ours = figures["recover-trials"]
    for reader in commands:
        found = figures[reader]
        found["ratio"] = found["cpu_s"] / ours["cpu_s"]
        print(
            f"  {reader:15} {found['cpu_s']:7.3f} s CPU {found['mb_per_cpu_s']:8.0f} MB/s"
            f" {found['peak_mb']:6.0f} MB   ours = {1 / max(found['ratio'], 1e-9):6.2f} x"
        )
    return figures


if __name__ == "__main__":
    main()
