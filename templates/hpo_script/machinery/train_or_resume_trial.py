"""Training of a trial: new or resumed, again with less memory, stopped early or pruned."""

from __future__ import annotations

import math
import time
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from hpo_script.constants import ARCHITECTURES, DIRECTION, METRIC
from hpo_script.experiment.task import Task
from hpo_script.experiment.training import Training, stops_early, train
from hpo_script.machinery.checkpoint import Checkpoint
from hpo_script.machinery.device import ShapeCost, free_memory, out_of_memory, peak_memory
from hpo_script.machinery.log_file import Interrupted, LogFile, say
from hpo_script.machinery.log_lines import ARCHITECTURE
from hpo_script.machinery.optuna_study import OptunaStudy
from hpo_script.machinery.progress import Progress
from hpo_script.machinery.pruning import first_prunable
from hpo_script.machinery.run_stops import STOPPED, Stops

MOST_KILLS = 10  # processes in a row that may end at one place of a trial
SIGN = 1 if DIRECTION == "minimize" else -1


class KilledError(Exception):
    """The trial ended several processes in a row; it may need too much memory."""


@dataclass
class TrialTraining:
    """The trial of a run that is in training, and the lines that it writes."""

    task: Task
    log: LogFile
    costs: Mapping[int, ShapeCost]  # of each row of ARCHITECTURES
    device: torch.device
    arguments: Namespace
    new_training = Training  # sections may replace it
    resumed = False  # the trial was started before, by this run or another

    def __post_init__(self) -> None:
        self.optuna_study = OptunaStudy(self.log.study, self.arguments.seed)
        self.free_at_start = free_memory(self.device)
        self.progress = Progress(self.arguments.n_trials)
        self.stops = Stops(self.arguments.out / "STOP")
        self.next_round = 0.0  # earliest time of the next round; rounds take 1 % of the run

    def begin_trial(self, number: int) -> None:
        """Set the state at the start of a trial; `resume_trial` replaces it by a checkpoint."""
        self.number, self.config = number, dict(self.log.study.trials[number].attributes)
        spared = self.config["kind"] in ("extreme", "smoke", "noise", "confirm")
        self.prunable_from = math.inf if spared else first_prunable(self.task, self.config)
        self.curve: list[dict[str, Any]] = []
        self.began = time.monotonic()
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        path = self.arguments.out / "checkpoints" / f"trial_{number:04d}.pt"
        key = f"{self.log.study.study_id} {self.config['config_id']}"
        self.checkpoint = Checkpoint(path, key, minutes=self.arguments.checkpoint_minutes)
        shape = ("d_model", "n_layers", "n_heads", "d_ff")
        self.progress.begin(number, " ".join(f"{axis}={self.config[axis]}" for axis in shape))

    def write(self, event: str, fields: Mapping[str, Any], level: str = "I") -> None:
        """Write a line of the trial in training, with its architecture."""
        common = {"trial": self.number, **{name: self.config[name] for name in ARCHITECTURE}}
        kept = self.optuna_study.kept(self.number)
        self.log.write(event, {**common, **kept, **fields}, level=level)

    def sync(self) -> None:
        """Write the pending lines; wait while the disk is full, until the run must stop."""
        began = time.monotonic()
        while True:
            with self.log.round():
                pass
            if not self.log.pending:
                break
            if stop := self.stops.asked():
                raise stop
            time.sleep(5)
        now = time.monotonic()
        self.next_round = now + 100 * (now - began)
        self.log.report_damage()

    def resume_trial(self, micro_batch: int) -> Mapping[str, Any]:
        """Claim a trial that was started before; return the state of its checkpoint or {}."""
        saved = self.checkpoint.load() or {}
        self.curve = saved.get("curve", [])
        self.began -= saved.get("wall_seconds", 0.0)
        trial, unit = self.log.study.trials[self.number], self.task.unit
        reached = self.curve[-1][unit] if self.curve else 0
        fields = {
            unit: reached,
            "batches": saved.get("batch", 0),
            "micro_batch": micro_batch,
            "learning_curve": self.curve,
            "system_attrs": saved.get("system_attrs", {}) if saved else trial.start_attrs,
        }
        self.write("trial_resumed", fields)
        self.sync()
        say(f"trial {self.number} continues after {unit} {reached}, micro-batch {micro_batch}")
        if trial.n_resumed >= MOST_KILLS:
            raise KilledError(f"{MOST_KILLS} processes in a row ended at this place")
        return saved

    def train_trial(self) -> dict[str, Any]:
        """Train, after each out-of-memory error with half the micro-batch; return the result."""
        cost = self.costs[self.config["arch_idx"]]
        most = self.config["micro_batch"] or self.config["batch_size"]
        micro_batch = cost.micro_batch(free_memory(self.device), most)
        if not micro_batch and cost.micro_batch(self.free_at_start, 1):
            raise Interrupted("memory: other processes took it after the start", STOPPED)
        while True:
            saved = self.resume_trial(micro_batch) if self.resumed else {}
            if not micro_batch:
                raise MemoryError(f"not one sample fits beside {cost.params:,} parameters")
            try:
                return self.train_once(saved, micro_batch)
            except Exception as error:
                if micro_batch == 1 or not out_of_memory(error):
                    raise
            micro_batch, self.resumed = -(-micro_batch // 2), True
            self.checkpoint.remove()  # the trial starts again

    def train_once(self, saved: Mapping[str, Any], micro_batch: int) -> dict[str, Any]:
        """Train with a micro-batch; return the state and the best evaluation."""
        config, number, unit = self.config, self.number, self.task.unit
        arch, key = ARCHITECTURES[config["arch_idx"]], (config["seed"], number)
        training = self.new_training(self.task, arch, config, key, self.device)
        if saved:
            training.restore(saved)

        def after_batch(share: float) -> None:
            self.progress.update(share)
            stop = self.stops.asked()
            if stop or self.checkpoint.due():
                about = {"curve": self.curve, "wall_seconds": time.monotonic() - self.began}
                about |= self.optuna_study.kept(number)
                self.checkpoint.save({**training.state(), **about})
                self.stops.reserve = 2 * self.checkpoint.cost
                self.sync()
            if stop:
                raise stop

        seconds, state, ended_by = self.arguments.trial_seconds, "COMPLETE", "schedule"
        for point in train(
            training, micro_batch=micro_batch, after_batch=after_batch, trial_seconds=seconds
        ):
            self.curve.append(point)
            if self.report_evaluation(point):
                state, ended_by = "PRUNED", "pruned"
                break
            if stops_early((SIGN * float(point[METRIC]) for point in self.curve), config):
                ended_by = "early_stopping"
                break
        best = min(self.curve, key=lambda evaluation: SIGN * float(evaluation[METRIC]))
        return {
            **{name: value for name, value in best.items() if name != unit},
            "state": state,
            "value": (best if state == "COMPLETE" else self.curve[-1])[METRIC],
            f"best_{unit}": best[unit],
            f"{unit}s_trained": self.curve[-1][unit],
            "ended_by": ended_by,
            "micro_batch": micro_batch,
            "accumulation_steps": -(-config["batch_size"] // micro_batch),
            "train_seconds": training.seconds,
            "samples_per_second": training.samples / training.seconds,
            "peak_memory_bytes": peak_memory(self.device),
            "train_flops": self.costs[config["arch_idx"]].sample_flops * training.samples,
        }

    def report_evaluation(self, point: Mapping[str, Any]) -> bool:
        """Write an evaluation; return whether the pruner ends the trial.

        The line waits for the next round if rounds are slow, which may take 1 % of the time.
        """
        (unit, step), *metrics = point.items()
        self.optuna_study.update()
        self.optuna_study.report(self.number, step, point[METRIC])
        pruned = step >= self.prunable_from and self.optuna_study.prunes(self.number)
        self.write("evaluation", {"unit": unit, "step": step, **dict(metrics)})
        if time.monotonic() > self.next_round:
            self.sync()
        return pruned
