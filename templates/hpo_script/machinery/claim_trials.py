"""Claims of trials: a run claims a trial, trains it, writes its end, and claims the next one.

The next trial is the lowest number below N_TRIALS that has no end line and whose lock is free. So
the total is exact, a killed trial resumes under its number, and workers need no coordinator. The
configurations are, in this order: the extremes, WARM_START, --enqueue, the sampler's, and reruns.
"""

from __future__ import annotations

import time
import traceback
from argparse import Namespace
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

from hpo_script.constants import ARCHITECTURES, DIRECTION
from hpo_script.experiment.space import SPACE
from hpo_script.experiment.task import Task
from hpo_script.experiment.training import DivergedError
from hpo_script.machinery.device import ShapeCost, free_memory, out_of_memory
from hpo_script.machinery.dry_run import measure_shapes
from hpo_script.machinery.log_file import Interrupted, say
from hpo_script.machinery.log_lines import STATES
from hpo_script.machinery.logged_study import LoggedStudy
from hpo_script.machinery.next_configuration import given_params
from hpo_script.machinery.results import summary, write_results
from hpo_script.machinery.same_experiment import digest
from hpo_script.machinery.train_or_resume_trial import KilledError, TrialTraining


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


class Search(TrialTraining):
    """The trials of one run, claimed one after another."""

    next_results = 0.0  # earliest time to write the results again, which takes 1 % of the run

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
                self.start_trial(number, study, *given_params(number, study, self.arguments))
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

    def run_trial(self, number: int) -> None:
        """Train one trial, from its checkpoint if it has one, and write its end."""
        self.begin_trial(number)
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
