"""Trainings: each configuration with each seed, in the log as trials of their own.

A training whose end line is in the log, and whose weights are in their file, is not repeated. One
that was killed continues from its checkpoint.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hpo_script.constants import METRIC, NAME, TASK
from hpo_script.experiment.shared import UnusableError
from hpo_script.experiment.training import DivergedError, Training, stops_early, train
from hpo_script.final.constants import CONFIGURATIONS, SEEDS, TRIAL_SECONDS
from hpo_script.final.task import FinalTask
from hpo_script.final.verdict import SIGN
from hpo_script.final.weights import save_weights
from hpo_script.machinery.checkpoint import Checkpoint
from hpo_script.machinery.device import free_memory, measure, out_of_memory
from hpo_script.machinery.log_file import Interrupted, LogFile
from hpo_script.machinery.log_lines import ARCHITECTURE
from hpo_script.machinery.progress import Progress
from hpo_script.machinery.run_stops import STOPPED, Stops

AXES = ("d_model", "n_layers", "n_heads", "d_ff")


class Fit:
    """One training: number in the log, configuration, seed, and the file of its weights."""

    def __init__(self, number: int, folder: Path) -> None:
        self.number = number
        self.place, seed_index = divmod(number, len(SEEDS))
        self.config, self.seed = CONFIGURATIONS[self.place], SEEDS[seed_index]
        self.name = f"trial_{self.config['trial']}_seed_{self.seed}"
        self.path = folder / f"{self.name}.safetensors"

    @property
    def key(self) -> tuple[int, int]:
        """The key of all random streams."""
        return self.seed, self.config["trial"]


@dataclass
class Trainings:
    """All trainings of a script, and the one at work."""

    task: FinalTask
    log: LogFile
    device: torch.device
    arguments: Namespace

    def __post_init__(self) -> None:
        out = self.arguments.out
        self.fits = [Fit(n, out) for n in range(len(CONFIGURATIONS) * len(SEEDS))]
        self.progress = Progress(len(self.fits))

    def run(self) -> None:
        """Run the trainings that the log lacks. Raises UnusableError for missing weights."""
        self.arguments.out.mkdir(parents=True, exist_ok=True)
        self.stops = Stops(self.arguments.out / "STOP")
        for fit in self.fits:
            known = self.log.study.trials.get(fit.number)
            if known is None or not known.finished:
                self.run_fit(fit, started=known is not None)
            elif known.state == "COMPLETE":
                check_weights(fit.path, known.attributes["weights_sha256"])

    def write(self, event: str, fields: Mapping[str, Any]) -> None:
        """Write a line of the training at work, with its architecture."""
        config = self.fit.config
        same = {name: config[name] for name in ARCHITECTURE}
        self.log.write(event, {"trial": self.fit.number, **same, **fields})
        sync(self.log)

    def run_fit(self, fit: Fit, *, started: bool) -> None:
        """Run one training and write its lines; an error of it does not end the others."""
        self.fit = fit
        self.progress.begin(fit.number, fit.name)
        path = self.arguments.out / "checkpoints" / f"{fit.name}.pt"
        key = f"{self.log.study.study_id} {fit.number}"
        self.checkpoint = Checkpoint(path, key, minutes=self.arguments.checkpoint_minutes)
        saved = self.checkpoint.load() if started else None
        if started:
            self.write("trial_resumed", {"learning_curve": saved["curve"] if saved else []})
        else:
            self.write("trial_start", self.start_fields())
        try:
            found = self.train(saved)
        except (DivergedError, MemoryError, RuntimeError) as error:
            if not (isinstance(error, DivergedError) or out_of_memory(error)):
                raise
            found = {"state": "FAIL", "value": None, "learning_curve": [], "error": str(error)}
        known = self.log.study.trials[fit.number]
        times = {"datetime_start": known.datetime_start, "datetime_complete": str(datetime.now())}
        self.write("trial_end", {**known.attributes, **found, **times})
        self.checkpoint.remove()
        self.progress.end(f"{found['state']} {found['value']}")

    def start_fields(self) -> dict[str, Any]:
        """Return the fields of a start line."""
        config, cost = self.fit.config, measure(self.task, self.fit.config)
        return {
            **{name: value for name, value in config.items() if name not in ("trial", "value")},
            **self.task.training_length(config),
            "micro_batch": cost.micro_batch(free_memory(self.device), config["batch_size"]) or 1,
            "seed": self.fit.seed,
            "search_trial": config["trial"],
            "kind": "final",
            "datetime_start": str(datetime.now()),
        }

    def train(self, saved: Mapping[str, Any] | None) -> dict[str, Any]:
        """Train, save the weights of the best evaluation, return the end of the trial."""
        began = time.monotonic()
        self.task.train_on(validation=False)
        training = self.new_training()
        best, curve, ended_by = self.train_as_searched(training, saved)
        training.model.load_state_dict(best)
        decision = self.task.decide(training.model.eval(), micro_batch_of(self.log, self.fit))
        values = [SIGN * point[METRIC] for point in curve]
        length = values.index(min(values)) + 1
        if self.arguments.train_on != "train":
            best = self.train_on_both(length)
        point = {name: v for name, v in curve[length - 1].items() if name != self.task.unit}
        found = {
            **point,
            "value": point[METRIC],
            **decision,
            "evaluations": length,
            "train_on": self.arguments.train_on,
            "ended_by": ended_by,
        }
        config = self.fit.config
        about = {
            "name": NAME,
            "task": TASK,
            "architecture": {axis: config[axis] for axis in AXES},
            "configuration": config,
            "seed": self.fit.seed,
            "metric": METRIC,
            "data_sha256": self.task.describe()["data_sha256"],
            "statistics": self.task.statistics(),
            "torch": torch.__version__,
        }
        digest = save_weights(self.fit.path, best, {**about, **found})
        found |= {"weights": self.fit.path.name, "weights_sha256": digest}
        times = {"seconds": time.monotonic() - began, "learning_curve": curve}
        return {"state": "COMPLETE", **found, **times}

    def train_as_searched(
        self, training: Training, saved: Mapping[str, Any] | None
    ) -> tuple[dict[str, Tensor], list[dict[str, Any]], str]:
        """Train with the search's early stopping; return the best weights, the curve, the end."""
        curve: list[dict[str, Any]] = []
        best: dict[str, Tensor] = {}
        if saved:
            training.restore(saved)
            curve, best = saved["curve"], saved["best"]

        def after_batch(share: float) -> None:
            self.progress.update(share)
            stop = self.stops.asked()
            if stop or self.checkpoint.due():
                self.checkpoint.save({**training.state(), "curve": curve, "best": best})
            if stop:
                raise stop

        for point in self.points(training, after_batch):
            curve.append(point)
            values = [SIGN * known[METRIC] for known in curve]
            if values[-1] < min(values[:-1], default=float("inf")):
                best = copied(training)
            (unit, step), *metrics = point.items()
            self.write("evaluation", {"unit": unit, "step": step, **dict(metrics)})
            config = self.fit.config
            if stops_early(values, config):
                return best, curve, "early_stopping"
        return best, curve, "schedule"

    def points(
        self, training: Training, after_batch: Callable[[float], None]
    ) -> Iterator[dict[str, Any]]:
        """Train and yield each evaluation."""
        return train(
            training,
            micro_batch=micro_batch_of(self.log, self.fit),
            after_batch=after_batch,
            trial_seconds=TRIAL_SECONDS,
        )

    def new_training(self) -> Training:
        """Return the training at work, at its start."""
        config = self.fit.config
        return Training(self.task, config, config, self.fit.key, self.device)

    def train_on_both(self, length: int) -> dict[str, Tensor]:
        """Train on training and validation split, as long as was best on training alone."""
        self.task.train_on(validation=True)
        training = self.new_training()

        def after_batch(_share: float) -> None:
            if stop := self.stops.asked():
                raise stop

        for _ in itertools.islice(self.points(training, after_batch), length):
            pass
        return copied(training)


def sync(log: LogFile) -> None:
    """Write the pending lines; a run whose lines do not fit on the disk ends."""
    with log.round():
        pass
    if log.pending:
        raise Interrupted(f"no space left for {log.path}", STOPPED)


def micro_batch_of(log: LogFile, fit: Fit) -> int:
    """Return the number of samples per pass, as at the start of a training."""
    found: int = log.study.trials[fit.number].attributes["micro_batch"]
    return found


def copied(training: Training) -> dict[str, Tensor]:
    """Return copies of the weights on the CPU; those of a state_dict change with the model."""
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous()
        for name, tensor in training.model.state_dict().items()
    }


def check_weights(path: Path, sha256: str) -> None:
    """Raise UnusableError unless a file has the weights that the log names."""
    if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise UnusableError(
            f"{path} is missing or altered, but the log records its training: restore it, or give"
            " another --log and --out"
        )
