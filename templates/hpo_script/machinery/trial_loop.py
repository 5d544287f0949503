"""Trial loop: claims a trial in the log, trains it, writes its end, and takes the next.

The next trial is the lowest number below N_TRIALS that has no end line and whose lock is free. So
the total is exact, a killed trial continues under its number, and workers need no coordinator.
WARM_START comes first, then the extremes, the configurations of --enqueue, those of the sampler,
and reruns.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
import traceback
from argparse import Namespace
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from hpo_script.constants import (
    ARCHITECTURES,
    DIRECTION,
    EXTREME_INDICES,
    METRIC,
    N_CONFIRM,
    N_NOISE,
    WARM_START,
)
from hpo_script.experiment.space import SPACE, searched_params
from hpo_script.experiment.task import Task
from hpo_script.experiment.training import DivergedError, Training, stops_early, train
from hpo_script.machinery.checkpoint import Checkpoint
from hpo_script.machinery.device import ShapeCost, free_memory, out_of_memory, peak_memory
from hpo_script.machinery.dry_run import measure_shapes
from hpo_script.machinery.log_file import Interrupted, LogFile, say
from hpo_script.machinery.logged_study import LoggedStudy, LoggedTrial
from hpo_script.machinery.memory_study import MemoryStudy, first_prunable
from hpo_script.machinery.progress import Progress
from hpo_script.machinery.results import summary, write_results
from hpo_script.machinery.run_stops import STOPPED, Stops
from hpo_script.machinery.trial_log import ARCHITECTURE, STATES

MOST_KILLS = 10  # processes in a row that may end at one place of a trial
FEWEST_TRIALS = 10  # of a study that reruns its best trials
SIGN = 1 if DIRECTION == "minimize" else -1


class KilledError(Exception):
    """The trial ended several processes in a row; it may need too much memory."""


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def failure(error: Exception) -> dict[str, Any]:
    """Return the fields of the end line of a trial that raised an error."""
    reasons = {DivergedError: "diverged", KilledError: "killed"}
    last = traceback.extract_tb(error.__traceback__)[-1]
    return {
        "state": "FAIL",
        "value": None,
        "fail_reason": "oom" if out_of_memory(error) else reasons.get(type(error), "error"),
        "error": f"{type(error).__name__}: {error}",
        "where": f"{Path(last.filename).name}:{last.lineno} in {last.name}",
    }


def reruns(study: LoggedStudy) -> list[tuple[str, LoggedTrial]]:
    """Return the reruns that a study lacks, (kind, trial): each of the best, then the best one."""
    known = [(t.attributes.get("kind"), t.rerun_of) for t in study.trials.values()]
    ranked = study.ranked(DIRECTION)
    plan = [("confirm", t) for t in ranked[:N_CONFIRM] if ("confirm", t.number) not in known]
    for best in ranked[:1]:
        plan += [("noise", best)] * (N_NOISE - known.count(("noise", best.number)))
    return plan


@dataclass
class Search:
    """The trials of one run, and the state of the trial in training."""

    task: Task
    log: LogFile
    costs: Mapping[int, ShapeCost]  # of each row of ARCHITECTURES
    device: torch.device
    arguments: Namespace
    new_training = Training  # sections may replace it

    def __post_init__(self) -> None:
        self.optuna_study = MemoryStudy(self.log.study, self.arguments.seed)
        self.free_at_start = free_memory(self.device)
        self.progress = Progress(self.arguments.n_trials)
        self.next_round, self.next_results = 0.0, 0.0  # earliest times; 1 % of the run each

    @staticmethod
    def plan(
        task: Task, device: torch.device, _arguments: Namespace
    ) -> tuple[dict[int, ShapeCost], int]:
        """Return the cost of each architecture, and the bytes that training may use."""
        return measure_shapes(task), free_memory(device)

    def run(self) -> int:
        """Run trials up to the total; return the exit code: 1 if none is complete."""
        self.optuna_study.rebuild()
        self.arguments.out.mkdir(parents=True, exist_ok=True)
        self.stops = Stops(self.arguments.out / "STOP")
        reason, code = "error", 2
        try:
            while (number := self.next_trial()) is not None:
                self.run_trial(number)
            counts = self.log.study.counts()
            reason, code = "trials", 0 if counts["complete"] or counts["running"] else 1
        except Interrupted as stop:
            reason, code = stop.reason, stop.code
            hint = f" after you remove {self.stops.file}" if reason == "STOP" else ""
            say(f"stopped: {reason}. To continue, run the same command again{hint}")
        finally:
            self.close_run(reason)
        return code

    def close_run(self, reason: str) -> None:
        """Write the end line of the run, and the results of the study."""
        with suppress(Interrupted), self.log.round() as study:
            totals = summary(study)
            results = {name: totals[name] for name in (*STATES, "best_trial", "best_value")}
            self.log.write("run_end", {"reason": reason, **results})
        self.write_results()

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

    def next_trial(self) -> int | None:
        """Return the next trial, locked and claimed; None if no trial is left."""
        if stop := self.stops.asked():
            raise stop
        with self.log.round() as study:
            ended = {n for n, trial in study.trials.items() if trial.finished}
            left = (n for n in range(self.arguments.n_trials) if n not in ended)
            number = next((n for n in left if self.log.lock_trial(n)), None)
            trial = None if number is None else study.trials.get(number)
            self.resumed = trial is not None and trial.datetime_start is not None
            if number is not None and not self.resumed:
                self.start_trial(number, study, *self.given_params(number, study))
        self.sync()
        return number

    def start_trial(
        self, number: int, study: LoggedStudy, params: Mapping[str, Any], origin: dict[str, Any]
    ) -> None:
        """Choose the configuration of a trial and claim it."""
        config = self.optuna_study.ask(number, params)
        arch_idx = SPACE.decode(config)
        row, cost = ARCHITECTURES[arch_idx], self.costs[arch_idx]
        trained = {name: value for name, value in config.items() if name not in SPACE.sizes()}
        config_id = digest([row, trained])[:12]
        equal = [n for n, t in study.trials.items() if t.attributes.get("config_id") == config_id]
        if equal and "rerun_of" not in origin:
            origin |= {"kind": "repeat", "repeat_of": min(equal)}
        fields = {
            "trial": number,
            "arch_idx": arch_idx,
            **{axis: size for axis, size in row.items() if axis != "params"},
            "param_count": cost.params,
            **config,
            **self.task.training_length(config),
            "micro_batch": cost.micro_batch(free_memory(self.device), config["batch_size"]),
            "seed": self.arguments.seed,
            **origin,
            "config_id": config_id,
            "datetime_start": str(datetime.now()),
        }
        self.log.write("trial_start", {**fields, **self.optuna_study.kept(number)})

    def given_params(
        self, number: int, study: LoggedStudy
    ) -> tuple[Mapping[str, Any], dict[str, Any]]:
        """Return the preset parameters of a trial, and its kind."""
        if number < len(WARM_START):
            config = dict(WARM_START[number])
            return {**SPACE.encode(config.pop("arch_idx")), **config}, {"kind": "warm_start"}
        place = number - len(WARM_START)
        if place < len(EXTREME_INDICES):
            arch_idx, ends = list(EXTREME_INDICES.items())[place]
            kind = "smoke" if self.arguments.smoke else "extreme"
            return SPACE.encode(arch_idx), {"kind": kind, "extreme": ends}
        used = {trial.attributes.get("enqueued_id") for trial in study.trials.values()}
        for enqueued_id, params in study.enqueued.items():
            if enqueued_id not in used:
                return params, {"kind": "enqueued", "enqueued_id": enqueued_id}
        started = {n for n, trial in study.trials.items() if trial.attributes}
        after = len({*range(number + 1, self.arguments.n_trials)} - started)
        plan = reruns(study) if self.arguments.n_trials >= FEWEST_TRIALS else []
        if after < len(plan):  # the last ones
            kind, best = plan[-1 - after]
            return searched_params(best.attributes), {"kind": kind, "rerun_of": best.number}
        return {}, {"kind": "search"}

    def run_trial(self, number: int) -> None:
        """Train one trial, from its checkpoint if it has one, and write its end."""
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
        try:
            result = self.train_trial()
        except Exception as error:  # a failed trial must not end the study
            result = failure(error)
        result |= {"seconds": time.monotonic() - self.began, "learning_curve": self.curve}
        if self.end_trial(result):
            self.checkpoint.remove()
            best = self.log.study.best(DIRECTION)
            lead = f"best {best.value:.5g} (trial {best.number})" if best else "none complete yet"
            outcome = result.get("fail_reason", result["value"])
            self.progress.end(f"{result['state']} {outcome}  {lead}")

    def write(self, event: str, fields: Mapping[str, Any], level: str = "I") -> None:
        """Write a line of the trial in training, with its architecture."""
        common = {"trial": self.number, **{name: self.config[name] for name in ARCHITECTURE}}
        kept = self.optuna_study.kept(self.number)
        self.log.write(event, {**common, **kept, **fields}, level=level)

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
            values = (SIGN * evaluation[METRIC] for evaluation in self.curve)
            if stops_early(values, config):
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

    def end_trial(self, result: Mapping[str, Any]) -> bool:
        """Write the end of the trial; return False if another run has claimed it."""
        with self.log.round() as study:
            trial = study.trials[self.number]
            owner = trial.claims[-1]
            locked = self.log.lock_trial(self.number)
            ours = locked and owner == self.log.run and not trial.finished
            if ours:
                times = {"datetime_start": trial.datetime_start}
                times["datetime_complete"] = str(datetime.now())
                level = "W" if "error" in result else "I"
                self.write("trial_end", {**trial.attributes, **result, **times}, level)
        self.sync()
        if not ours:
            say(f"trial {self.number} was claimed by run {owner}; this result is discarded")
        elif time.monotonic() > self.next_results:
            self.write_results()
        return ours

    def write_results(self) -> None:
        """Write the derived files; report an error such as a full disk, and continue."""
        began = time.monotonic()
        try:
            write_results(self.arguments.out, self.log.study)
        except OSError as error:
            say(f"results not written: {error}")
        now = time.monotonic()
        self.next_results = now + 100 * (now - began)
