"""CPU and memory that a study takes besides its training: start, ask, prune, end.

    python tests/benchmarks/overhead.py [--trials N …] [--json FILE]

A small study is run for real. Its lines are written again under new numbers, until the log has N
trials of 50 evaluations; the script then continues that log for three trials. Times are CPU
seconds; memory is what a run on an empty log does not need. Neither depends on the model.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import resource
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
import yaml

from hpo_script.machinery.log_lines import format_event, read_event
from hpogen.demo_data import prices

EPOCHS, MEASURED = 50, 3
CONFIG = {
    "budget": "2K",
    "horizon": 1,
    "tolerance": 0.5,
    "data": {"data_path": "sp500.csv", "feature_columns": ["Close"]},
    "splits": {"train_subset": 0.1},
    "architecture": {"d_model": [8], "n_layers": [1, 2], "n_heads": [2, 4], "d_ff_ratio": [2, 4]},
    "fixed": {"epochs": EPOCHS, "batch_size": 512, "patience": EPOCHS, "warmup_steps": 5},
    "study": {"n_trials": 8, "n_noise": 0},
}


def write_log(source: Path, target: Path, trials: int) -> None:
    """Write a log of many trials: those of a real one, with other rates, under new numbers."""
    events = [event for line in source.read_bytes().splitlines() if (event := read_event(line))]
    lines: dict[int, list[tuple[str, dict[str, Any]]]] = {}
    for event, fields in events[1:]:
        if "trial" in fields:
            lines.setdefault(fields["trial"], []).append((event, fields))
    ended = [known for known in lines.values() if known[-1][0] == "trial_end"]
    chance, now = random.Random(1), datetime.now()  # noqa: S311
    with target.open("w") as file:
        for event, fields in [*events[:1], *new_events(ended, trials, chance)]:
            file.write(format_event(event, fields, time=now) + "\n")


def new_events(
    ended: list[list[tuple[str, dict[str, Any]]]], trials: int, chance: random.Random
) -> Any:
    """Yield the events of as many trials."""
    for number in range(trials):
        changed = {
            "trial": number,
            "learning_rate": 10 ** chance.uniform(-4, -3),
            "config_id": str(number),
        }
        for event, fields in ended[number % len(ended)]:
            known = {name: value for name, value in changed.items() if name in fields}
            yield event, {**fields, **known}


def memory_mb() -> dict[str, float]:
    """Return the memory of this process, now and at most."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"memory_mb": pages * 4096 / 1e6, "peak_mb": most * 1024 / 1e6}


class Meter:
    """CPU seconds of the calls of some functions."""

    def __init__(self) -> None:
        self.calls: dict[str, list[float]] = {}

    def wrap(self, owner: Any, name: str, about: str) -> None:
        """Measure a method or a function of a script."""
        inner: Callable[..., Any] = (
            owner[name] if isinstance(owner, dict) else getattr(owner, name)
        )

        def measured(*args: Any, **options: Any) -> Any:
            began = time.process_time()
            try:
                return inner(*args, **options)
            finally:
                self.calls.setdefault(about, []).append(time.process_time() - began)

        if isinstance(owner, dict):
            owner[name] = measured
        else:
            setattr(owner, name, measured)

    def total(self, about: str) -> float:
        """Return the seconds of all calls."""
        return sum(self.calls.get(about, []))

    def mean(self, about: str) -> float:
        """Return the mean of a call."""
        return self.total(about) / max(len(self.calls.get(about, [])), 1)


def measure(script: Path, log: Path, trials: int) -> dict[str, float]:
    """Continue a log for some trials; return what each part took."""
    names = runpy.run_path(str(script))["main"].__globals__
    sys.argv = [str(script), "--log", str(log), "--out", f"out-{trials}"]
    sys.argv += ["--n-trials", str(trials + MEASURED)]
    arguments, task = names["parse_arguments"](script.stem), names["Task"]("sp500.csv", None)
    meter, memory = Meter(), names["OptunaStudy"]
    meter.wrap(names, "open_run", "read")
    meter.wrap(memory, "__init__", "build")
    meter.wrap(memory, "prunes", "prune")
    for name in ("next_trial", "report_evaluation", "end_trial", "write_results"):
        meter.wrap(names["Search"], name, name)
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        assert names["main"](arguments, task) == 0
    del meter.calls["next_trial"][-1]  # it found that no trial is left
    within_ends = sum(meter.calls["write_results"][:-1])  # the last is after the last trial
    lines = meter.total("report_evaluation") - meter.total("prune")
    found = {
        "start": meter.mean("read") + meter.mean("build"),
        "ask": meter.mean("next_trial"),
        "evaluation": lines / len(meter.calls["report_evaluation"]),
        "prune": meter.mean("prune"),
        "end": (meter.total("end_trial") - within_ends) / MEASURED,
        "results": meter.mean("write_results"),
    }
    found["trial"] = found["ask"] + EPOCHS * (found["evaluation"] + found["prune"]) + found["end"]
    return {"trials": trials, "log_mb": log.stat().st_size / 1e6, **found, **memory_mb()}


def main() -> None:
    """Measure and print; each number of trials in a process of its own."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--trials", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--json", type=Path, help="keep the figures")
    parser.add_argument("--one", type=Path, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.one:
        print(json.dumps(measure(*arguments.one, arguments.trials[0])))
        return
    found = []
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        (folder / "sp500.csv").write_bytes(prices("sp500"))
        (folder / "small.yaml").write_text(yaml.safe_dump(CONFIG))
        render = [sys.executable, "-m", "hpogen", "render", "--config", "small.yaml"]
        script = subprocess.check_output(render, cwd=folder, text=True).strip()
        subprocess.run([sys.executable, "-I", script], cwd=folder, check=True, capture_output=True)
        for trials in (0, *arguments.trials):
            log = folder / f"{trials}.log"
            write_log(folder / "logs" / f"{Path(script).stem}.log", log, trials)
            command = [
                sys.executable,
                __file__,
                "--trials",
                str(trials),
                "--one",
                script,
                log.name,
            ]
            found.append(json.loads(subprocess.check_output(command, cwd=folder, text=True)))
    empty = found.pop(0)
    for row in found:
        row |= {name: row[name] - empty[name] for name in memory_mb()}
        print(json.dumps(row))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
