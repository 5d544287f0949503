"""Search: trials one after another, each claimed in the log before it is trained.

The next trial is the lowest number below N_TRIALS that has no end line and whose lock is free. So
the total is exact, a killed trial continues under its number, and workers need no coordinator.
Extreme k is trial k; then come configurations of --enqueue, then those of the sampler.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import time
import traceback
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from hpo_script.constants import ARCHITECTURES, DIRECTION, EXTREME_INDICES, METRIC
from hpo_script.experiment.shared import Config, Curve
from hpo_script.experiment.space import SPACE
from hpo_script.experiment.task import Task
from hpo_script.experiment.training import DivergedError, Training, evals_without_gain, train
from hpo_script.machinery.checkpoint import Checkpoint
from hpo_script.machinery.device import (
    ShapeCost,
    fitting_micro_batch,
    free_memory,
    out_of_memory,
    peak_memory,
)
from hpo_script.machinery.log_file import Interrupted, LogFile, say
from hpo_script.machinery.logged_study import LONG_NAMES, LoggedStudy
from hpo_script.machinery.memory_study import MemoryStudy
from hpo_script.machinery.progress import Progress
from hpo_script.machinery.results import write_results
from hpo_script.machinery.stops import STOPPED, Stops
from hpo_script.machinery.trial_log import ARCHITECTURE, SHORT_NAMES

MOST_KILLS = 10  # processes in a row that may end at one place of a trial
SIGN = 1 if DIRECTION == "minimize" else -1


class KilledError(Exception):
    """The trial ends its process again and again; it may need too much memory."""


def digest(value: object) -> str:
    """Return the SHA-256 of a value's JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


class Attempt:
    """A trial in this process, and what its checkpoint had."""

    def __init__(
        self,
        number: int,
        config: Config,
        checkpoint: Checkpoint,
        saved: Mapping[str, Any] | None,
    ) -> None:
        self.number, self.config, self.checkpoint, self.saved = number, config, checkpoint, saved
        self.curve: Curve = saved["curve"] if saved else []
        self.began = time.monotonic() - (saved["wall_seconds"] if saved else 0.0)

    def seconds(self) -> float:
        """Return the time that the trial took, in all processes that trained it."""
        return time.monotonic() - self.began

    def save(self, training: Training, more: Mapping[str, Any]) -> None:
        """Write the checkpoint."""
        about = {"curve": self.curve, "wall_seconds": self.seconds()}
        self.checkpoint.save({**training.state(), **about, **more})

    def restart(self) -> None:
        """Forget what was trained."""
        self.saved = None
        self.curve.clear()


class Search:
    """The trials of one run."""

    def __init__(
        self,
        task: Task,
        log: LogFile,
        memory: MemoryStudy,
        stops: Stops,
        device: torch.device,
        costs: Sequence[ShapeCost],
        arguments: Namespace,
    ) -> None:
        self.task, self.log, self.memory, self.stops = task, log, memory, stops
        self.device, self.costs, self.arguments = device, costs, arguments
        self.progress = Progress(arguments.n_trials)
        self.round_cost, self.last_round = 0.0, time.monotonic()
        self.results_cost, self.last_results = 0.0, 0.0

    @staticmethod
    def prepare(
        _log: LogFile, _about: Mapping[str, Any], _arguments: Namespace
    ) -> MemoryStudy | None:
        """Return a study that is not in the log; `--with storage` has one."""
        return None

    def run(self) -> int:
        """Run trials up to the total; return the exit code: 1 if none is complete."""
        reason, code = "error", 2
        try:
            while (number := self.next_trial()) is not None:
                self.run_trial(number)
                self.log.unlock_trial(number)
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
        """Write how the run ended, and the results of the study."""
        with suppress(Interrupted), self.log.round() as study:
            best = study.best(DIRECTION)
            lead = {"best_trial": best and best.number, "best_value": best and best.value}
            self.log.write("run_end", {"reason": reason, **study.counts(), **lead})
        self.write_results()

    def sync(self) -> None:
        """Write the pending lines; wait while the disk is full, until the run must stop."""
        began = time.monotonic()
        with self.log.round():
            pass
        while self.log.pending:
            if not self.stops.may_wait(5):
                raise self.stops.stop or Interrupted("no space left", STOPPED)
            with self.log.round():
                pass
        self.last_round = time.monotonic()
        self.round_cost = self.last_round - began
        self.log.report_damage()

    def next_trial(self) -> int | None:
        """Return the trial to train, locked and claimed; None if none is left."""
        if stop := self.stops.asked():
            raise stop
        with self.log.round() as study:
            free = (n for n in range(self.arguments.n_trials) if self.is_open(n))
            number = next((n for n in free if self.log.lock_trial(n)), None)
            self.resumed = number is not None and "config_id" in study.trial(number).attributes
            if number is not None and not self.resumed:
                self.start_trial(number, study)
        self.sync()
        return number

    def is_open(self, number: int) -> bool:
        """Return whether a trial has no end line."""
        trial = self.log.study.trials.get(number)
        return trial is None or not trial.finished

    def start_trial(self, number: int, study: LoggedStudy) -> None:
        """Choose the configuration of a trial and claim it."""
        given, attributes = self.given_params(number, study)
        config = self.memory.ask(number, given)
        arch_idx = SPACE.decode(config)
        row = ARCHITECTURES[arch_idx]
        trained = {name: value for name, value in config.items() if name not in SPACE.sizes()}
        config_id = digest([row, trained])[:12]
        if any(t.attributes.get("config_id") == config_id for t in study.trials.values()):
            attributes["kind"] = "repeat"
        fields = {
            "trial": number,
            "arch_idx": arch_idx,
            **row,
            "params": self.cost_of(arch_idx).params,
            **{SHORT_NAMES.get(name, name): value for name, value in config.items()},
            **self.task.training_length(config),
            "micro_batch": self.micro_batch(arch_idx, config["batch_size"]),
            "seed": self.arguments.seed,
            **attributes,
            "config_id": config_id,
            "datetime_start": str(datetime.now()),
        }
        kept = self.memory.system_attrs(number)
        self.log.write("trial_start", fields | ({"system_attrs": kept} if kept else {}))

    def given_params(
        self, number: int, study: LoggedStudy
    ) -> tuple[dict[str, Any] | None, dict[str, Any]]:
        """Return the parameters that are given to a trial, and what that makes of it."""
        if number < len(EXTREME_INDICES):
            arch_idx, ends = list(EXTREME_INDICES.items())[number]
            kind = "smoke" if self.arguments.smoke else "extreme"
            return SPACE.encode(arch_idx), {"kind": kind, "extreme": ends}
        used = {trial.attributes.get("enqueued_idx") for trial in study.trials.values()}
        for line in sorted(study.enqueued, key=lambda line: int(line["enqueued_idx"])):
            if (index := line["enqueued_idx"]) not in used:
                return line["trial_params"], {"kind": "enqueued", "enqueued_idx": index}
        return None, {"kind": "search"}

    def cost_of(self, arch_idx: int) -> ShapeCost:
        """Return the cost of an architecture."""
        return self.costs[SPACE.shape_of[arch_idx]]

    def micro_batch(self, arch_idx: int, batch_size: int) -> int:
        """Return how many samples fit at once, 0 if none."""
        cost = self.cost_of(arch_idx)
        free = free_memory(self.device)
        return fitting_micro_batch(cost.params, cost.sample_bytes, free, batch_size)

    def run_trial(self, number: int) -> None:
        """Train one trial, from its checkpoint if it has one, and write its end."""
        config = dict(self.log.study.trials[number].attributes)
        path = self.arguments.out / "checkpoints" / f"trial_{number:04d}.pt"
        key = f"{self.log.study.study_id} {config['config_id']}"
        checkpoint = Checkpoint(path, key, minutes=self.arguments.checkpoint_minutes)
        saved = checkpoint.load() if self.resumed else None
        attempt = Attempt(number, config, checkpoint, saved)
        shape = ("d_model", "n_layers", "n_heads", "d_ff")
        self.progress.begin(number, " ".join(f"{axis}={config[axis]}" for axis in shape))
        try:
            if self.resumed:
                self.resume_trial(attempt)
            found = self.train_trial(attempt)
        except Exception as error:  # a failed trial must not end the study
            found = failure(error)
        found |= {"seconds": attempt.seconds(), "learning_curve": attempt.curve}
        if self.end_trial(number, found):
            checkpoint.remove()
            best = self.log.study.best(DIRECTION)
            lead = f"best {best.value:.5g} (trial {best.number})" if best else "none complete yet"
            ended = found.get("fail_reason", found["value"])
            self.progress.end(f"{found['state']} {ended}  {lead}")

    def resume_trial(self, attempt: Attempt) -> None:
        """Claim a trial of a run that is gone, with what its checkpoint has."""
        number, curve, saved = attempt.number, attempt.curve, attempt.saved
        reached = curve[-1][self.task.unit] if curve else 0
        place = {self.task.unit: reached, "batches": saved["batch"] if saved else 0}
        kept = {"system_attrs": saved["system_attrs"]} if saved else {}
        about = {**self.architecture(number), **place, "learning_curve": curve, **kept}
        self.log.write("trial_resumed", about)
        self.sync()
        say(f"trial {number} of an earlier run continues after {self.task.unit} {reached}")
        if self.log.study.trials[number].n_resumed >= MOST_KILLS:
            raise KilledError(f"{MOST_KILLS} processes in a row ended at this place")

    def architecture(self, number: int) -> dict[str, Any]:
        """Return the fields that each line of a trial repeats."""
        known = self.log.study.trials[number].attributes
        names = (*ARCHITECTURE, "d_ff")
        return {"trial": number, **{name: known[LONG_NAMES.get(name, name)] for name in names}}

    def train_trial(self, attempt: Attempt) -> dict[str, Any]:
        """Train, again with half the micro-batch where memory runs out; return the end."""
        config, cost = attempt.config, self.cost_of(attempt.config["arch_idx"])
        most = config["micro_batch"] or config["batch_size"]  # 0: no memory was free at its start
        micro_batch = self.micro_batch(config["arch_idx"], most)
        if micro_batch == 0 and cost.fits:  # others took the memory: the next trial would fail too
            raise Interrupted("memory: other processes took it after the start", STOPPED)
        if micro_batch == 0:
            raise MemoryError(f"not one sample fits beside {cost.params:,} parameters")
        while True:
            try:
                return self.train_once(attempt, micro_batch)
            except Exception as error:
                if micro_batch == 1 or not out_of_memory(error):
                    raise
            micro_batch = -(-micro_batch // 2)
            attempt.restart()
            retry = {**self.architecture(attempt.number), "micro_batch": micro_batch}
            self.log.write("trial_retry", retry, level="W")
            self.sync()

    def train_once(self, attempt: Attempt, micro_batch: int) -> dict[str, Any]:
        """Train with a micro-batch; return the state and the best evaluation."""
        number, config, curve = attempt.number, attempt.config, attempt.curve
        key = (config["seed"], number)
        training = Training(self.task, ARCHITECTURES[config["arch_idx"]], config, key, self.device)
        if attempt.saved:
            training.restore(attempt.saved)

        def after_batch(share: float) -> None:
            self.progress.update(share)
            stop = self.stops.asked()
            if stop or attempt.checkpoint.due():
                kept = {"system_attrs": self.memory.system_attrs(number)}
                attempt.save(training, kept)
                self.stops.reserve = 2 * attempt.checkpoint.cost
                self.sync()
            if stop:
                raise stop

        seconds, state, ended_by = self.arguments.trial_seconds, "COMPLETE", "schedule"
        for point in train(
            training, micro_batch=micro_batch, after_batch=after_batch, trial_seconds=seconds
        ):
            curve.append(point)
            if self.evaluate(number, config, point):
                state, ended_by = "PRUNED", "pruned"
                break
            values = (SIGN * known[METRIC] for known in curve)
            if evals_without_gain(values, config["min_delta"]) >= config["patience"]:
                ended_by = "early_stopping"
                break
        unit, cost = self.task.unit, self.cost_of(config["arch_idx"])
        best = min(curve, key=lambda known: SIGN * float(known[METRIC]))
        return {
            **{name: value for name, value in best.items() if name != unit},
            "state": state,
            "value": (best if state == "COMPLETE" else curve[-1])[METRIC],
            f"best_{unit}": best[unit],
            f"{unit}s_trained": curve[-1][unit],
            "ended_by": ended_by,
            "micro_batch": micro_batch,
            "accumulation_steps": -(-config["batch_size"] // micro_batch),
            "train_seconds": training.seconds,
            "samples_per_second": training.samples / training.seconds,
            "peak_memory_bytes": peak_memory(self.device),
            "train_flops": cost.sample_flops * training.samples,
        }

    def evaluate(self, number: int, config: Config, point: Mapping[str, Any]) -> bool:
        """Write an evaluation; return whether the pruner ends the trial.

        A line waits for the next round while rounds are slow: they may take 1 % of the time.
        """
        (unit, step), *metrics = point.items()
        self.memory.update()
        self.memory.report(number, step, point[METRIC])
        spared = config["kind"] in ("extreme", "smoke") or step < self.first_prunable(config)
        pruned = not spared and self.memory.prunes(number)
        kept = self.memory.system_attrs(number)
        fields = {**self.architecture(number), "unit": unit, "step": step, **dict(metrics)}
        self.log.write("evaluation", fields | ({"system_attrs": kept} if kept else {}))
        if time.monotonic() - self.last_round > 100 * self.round_cost:
            self.sync()
        return pruned

    def first_prunable(self, config: Config) -> float:
        """Return the epoch or step from which a trial may be pruned: a share of its schedule.

        Not during its warm-up: trials with a shorter one are ahead until then.
        """
        intervals = list(self.task.intervals(config))
        done = itertools.accumulate(interval.n_batches for interval in intervals)
        warm = (i.step for i, n in zip(intervals, done, strict=True) if n > config["warmup_steps"])
        return max(config["prune_from"] * intervals[-1].step, next(warm, math.inf))

    def end_trial(self, number: int, found: Mapping[str, Any]) -> bool:
        """Write the end of a trial; return False if another run claimed it meanwhile."""
        with self.log.round() as study:
            trial = study.trials[number]
            ours = trial.claims[-1] == self.log.run and not trial.finished
            ours = self.log.lock_trial(number) and ours
            if ours:
                known = {**trial.attributes, **found}
                fields = {SHORT_NAMES.get(name, name): value for name, value in known.items()}
                fields |= {"trial": number, "datetime_start": trial.datetime_start}
                fields |= {"datetime_complete": str(datetime.now())}
                if kept := self.memory.system_attrs(number):
                    fields["system_attrs"] = kept
                self.log.write("trial_end", fields, level="W" if "error" in found else "I")
        self.sync()
        if not ours:
            say(f"trial {number} was claimed by run {trial.claims[-1]}; this result is discarded")
        elif time.monotonic() - self.last_results > 100 * self.results_cost:
            self.write_results()
        return ours

    def write_results(self) -> None:
        """Write the derived files; a full disk is said and survived."""
        began = time.monotonic()
        try:
            write_results(self.arguments.out, self.log.study)
        except OSError as error:
            say(f"results not written: {error}")
        self.last_results = time.monotonic()
        self.results_cost = self.last_results - began


def failure(error: Exception) -> dict[str, Any]:
    """Return the end of a trial that raised an error: why, and where."""
    reasons = {DivergedError: "diverged", KilledError: "killed"}
    last = traceback.extract_tb(error.__traceback__)[-1]
    return {
        "state": "FAIL",
        "value": None,
        "fail_reason": "oom" if out_of_memory(error) else reasons.get(type(error), "error"),
        "error": f"{type(error).__name__}: {error}",
        "where": f"{Path(last.filename).name}:{last.lineno} in {last.name}",
    }
