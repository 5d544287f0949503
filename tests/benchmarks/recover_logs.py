"""Logs for the benchmark of recover-trials, in the layouts that people have.

The layout of the predecessor is generated: banners of its runner, its three forms of start lines,
epochs, and the lines of Optuna 4. The others come from small studies that are run, and are written
again under new names until they are large enough.
"""

from __future__ import annotations

import io
import json
import logging
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TRIALS = 50  # of a run
EPOCH = datetime.fromisoformat("2026-11-21 10:15:00")
RULE = "=" * 60
SIZES = "arch_idx={arch_idx}, d_model={d_model}, n_layers={n_layers}"
TRAINED = "params={count:,}, lr={rate:.6f}, epochs={epochs}"
STARTS = (
    f"{SIZES}, {TRAINED}, batch_size=32",
    f"{SIZES}, n_heads=16, {TRAINED}, batch_size=32",
    f"{SIZES}, n_heads=16, {TRAINED}, batch=16x16, dropout={{dropout:.2f}}",
)
HOSTILE = (
    r""", 'opt': 'it\'s "x" {a}, }', 'tup': (1, 2), 'none': None, 'flag': True, 'p': nan,"""
    " 'np': np.float64(0.0001)"
)
FAILED = (
    "Traceback (most recent call last):\n"
    '  File "optuna/study/_optimize.py", line 201, in _run_trial\n'
    "    value_or_values = func(trial)\n"
    "RuntimeError: out of memory\n"
)
BAR = "{0}%|{1:<10}| {2}/50 [04:56<4:02:31, 29.6s/it]"


class PredecessorLog:
    """Lines of the predecessor, run after run; `dense` leaves out the epochs."""

    def __init__(self, *, dense: bool, colour: bool, bar: bool, hostile: bool) -> None:
        self.dense, self.colour, self.bar, self.hostile = dense, colour, bar, hostile
        self.chance = random.Random(0)  # noqa: S311
        self.time = EPOCH
        self.best = (0, 9.0)
        self.epochs = [self.some_epochs() for _ in range(200)]

    def some_epochs(self) -> str:
        count = self.chance.randint(30, 90)
        losses = (self.chance.random() for _ in range(count))
        return "".join(
            f"Epoch {epoch:3d}/{count} | train_loss {loss:.6f} | val_loss {loss + 0.02:.6f} | acc"
            f" {1 - loss:.4f} | lr {loss / 1000:.2e} | {9 * loss:.1f}s | thermal 71.3C\n"
            for epoch, loss in enumerate(losses, 1)
        )

    def stamped(self, text: str, level: str = "I") -> str:
        stamp = f"[{level} {self.time:%Y-%m-%d %H:%M:%S},{self.time.microsecond // 1000:03d}]"
        return f"\x1b[32m{stamp}\x1b[0m {text}\n" if self.colour else f"{stamp} {text}\n"

    def run(self, index: int) -> Iterator[str]:
        """Yield a run of fifty trials, between the banners of the runner."""
        name, self.best = f"hpo_2B_h{index}_threshold_1pct", (0, 9.0)
        yield f"\n{RULE}\n[{index % 12 + 1}/12] Starting: {name}.py\nTime: {self.time}\n{RULE}\n"
        yield f"✓ Architecture grid: 72 valid configs\n\nStarting HPO: {TRIALS} trials...\n"
        yield self.stamped(f"A new study created in memory with name: phase6a_{name}")
        for number in range(TRIALS):
            yield from self.trial(number, STARTS[index % 3])
        yield f"\n✓ HPO complete in 42.3 min\n\n[{index % 12 + 1}/12] PASSED: {name}.py\n"

    def trial(self, number: int, start: str) -> Iterator[str]:
        chance = self.chance
        self.time += timedelta(seconds=chance.randint(20, 900), milliseconds=number)
        sizes = {"arch_idx": chance.randint(0, 71), "d_model": chance.choice([768, 1024, 2048])}
        sizes |= {
            "n_layers": chance.choice([24, 48, 96]),
            "count": chance.randint(10**9, 3 * 10**9),
        }
        params = {"learning_rate": 10 ** chance.uniform(-5, -3), "epochs": chance.choice([50, 75])}
        params |= {"weight_decay": chance.random() / 100, "warmup_steps": 100}
        params |= {"dropout": chance.uniform(0.1, 0.3)}
        shown = start.format(**sizes, **params, rate=params["learning_rate"])
        yield self.stamped(f"Trial {number}: {shown}")
        if not self.dense:
            yield chance.choice(self.epochs)
        if self.bar:
            bar = BAR.format(2 * number, "█" * (number // 5), number)
            named = f"Best trial: {self.best[0]}. Best value: {self.best[1]}: {bar}"
            yield f"\r  {bar}\r{' ' * 60}\r{named}"
        yield from self.end(number, {"arch_idx": sizes["arch_idx"], **params})

    def end(self, number: int, params: dict[str, Any]) -> Iterator[str]:
        text, value, kind = str(params), self.chance.uniform(0.3, 0.6), self.chance.random()
        if self.hostile:
            value = self.chance.choice([value] * 18 + [1e-05, -value])
            text = text[:-1] + HOSTILE * (self.chance.random() < 0.1) + "}"
        if kind > 0.97:
            yield self.stamped(f"Trial {number} pruned. Trial was pruned at epoch 12.")
        elif kind > 0.955:
            cause = "because of the following error: RuntimeError('out of memory')."
            yield self.stamped(f"Trial {number} failed with parameters: {text} {cause}", "W")
            yield FAILED + self.stamped(f"Trial {number} failed with value None.", "W")
        else:
            self.best = min(self.best, (number, value), key=lambda pair: pair[1])
            yield self.stamped(
                f"Trial {number} finished with value: {value} and parameters: {text}."
                f" Best is trial {self.best[0]} with value: {self.best[1]}."
            )


def write_predecessor(
    path: Path, megabytes: float, variant: str = "", *, dense: bool = False, hostile: bool = False
) -> None:
    """Write a log of the predecessor; the variant is `ansi`, `crlf`, `tqdm`, `utf16` or empty."""
    log = PredecessorLog(
        dense=dense, colour=variant == "ansi", bar=variant == "tqdm", hostile=hostile
    )
    encoding = "utf-16" if variant == "utf16" else "utf-8"
    newline = "\r\n" if variant == "crlf" else "\n"
    size = index = 0
    with path.open("w", encoding=encoding, newline=newline) as file:
        while size < megabytes * 1e6:
            size += file.write("".join(log.run(index)))
            index += 1


def optuna_lines(trials: int) -> str:
    """Return the log of a real study of Optuna."""
    import optuna

    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("[%(levelname).1s %(asctime)s] %(message)s"))
    optuna.logging.disable_default_handler()
    logger = logging.getLogger("optuna")
    logger.addHandler(handler)

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True)
        layers = trial.suggest_int("n_layers", 1, 8)
        trial.suggest_categorical("optimizer", ["adam", "sgd"])
        if trial.number % 5 == 4:
            raise optuna.TrialPruned
        return float(rate * layers)

    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(study_name="study-0", sampler=sampler)
    study.optimize(objective, n_trials=trials)
    logger.removeHandler(handler)
    return stream.getvalue()


def write_optuna(path: Path, megabytes: float) -> None:
    """Write the lines of a study again and again, under new names."""
    text = optuna_lines(500)
    with path.open("w") as file:
        for index in range(int(megabytes * 1e6 / len(text)) + 1):
            file.write(text.replace("study-0", f"study-{index}"))


def write_notebook(path: Path, megabytes: float) -> None:
    """Write a notebook: code, the log of a study, and a picture, cell after cell."""
    text = optuna_lines(200)
    cells = []
    for index in range(int(megabytes * 1e6 / (len(text) + 40_000)) + 1):
        lines = text.replace("study-0", f"study-{index}").splitlines(keepends=True)
        shown = {"output_type": "display_data", "data": {"image/png": "iVBORw0K" * 5000}}
        stream = {"output_type": "stream", "name": "stderr", "text": lines}
        source = ["study.optimize(objective, n_trials=200)\n"]
        cells.append({"cell_type": "code", "source": source, "outputs": [stream, shown]})
    path.write_text(json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5}, indent=1))


def write_own(path: Path, megabytes: float) -> None:
    """Render a script, run it, and write its lines again under new numbers."""
    import overhead
    import yaml

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "sp500.csv").write_bytes(overhead.prices("sp500"))
        (folder / "small.yaml").write_text(yaml.safe_dump(overhead.CONFIG))
        render = [sys.executable, "-m", "hpogen", "render", "--config", "small.yaml", "--quiet"]
        script = subprocess.check_output(render, cwd=folder, text=True).strip()
        subprocess.run([sys.executable, "-I", script], cwd=folder, check=True, capture_output=True)
        source = folder / "logs" / f"{Path(script).stem}.log"
        overhead.write_log(source, path, 10)
        overhead.write_log(source, path, int(10 * megabytes * 1e6 / path.stat().st_size))


def write_journal(path: Path, megabytes: float) -> None:
    """Write the journal of a real study again and again, under new names and numbers."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "journal.log"
        study = optuna.create_study(
            storage=optuna.storages.JournalStorage(JournalFileBackend(str(file))),
            sampler=optuna.samplers.RandomSampler(seed=0),
        )
        study.optimize(reported, n_trials=100)
        records = [json.loads(line) for line in file.read_text().splitlines()]
        copies = int(megabytes * 1e6 / file.stat().st_size) + 1
    with path.open("w") as target:
        for index in range(copies):
            for record in records:
                new = {"study_id": index, "trial_id": 100 * index + record.get("trial_id", 0)}
                new |= {"study_name": f"study-{index}"}
                known = {name: value for name, value in new.items() if name in record}
                target.write(json.dumps({**record, **known}, separators=(",", ":")) + "\n")


def reported(trial: Any) -> float:
    """Return a value after a few reports; the objective of the journal."""
    rate = trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True)
    trial.suggest_int("n_layers", 1, 8)
    trial.suggest_float("dropout", 0.0, 0.5)
    for step in range(5):
        trial.report(rate / (step + 1), step)
    return float(rate)
