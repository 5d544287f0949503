"""Search: trials one after another, each recorded before the next begins."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import signal
import time
import traceback
import uuid
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import optuna
import torch
from optuna.distributions import distribution_to_json
from optuna.trial import Trial, TrialState

from hpo_script.device import (
    BYTES_PER_PARAMETER,
    bytes_per_sample,
    check_count,
    choose_device,
    fitting_micro_batch,
    free_memory,
    out_of_memory,
)
from hpo_script.dry_run import dry_run
from hpo_script.experiment import Config, Curve, Experiment, Round, UnusableError
from hpo_script.log_writer import say
from hpo_script.progress import Progress
from hpo_script.recorder import Recorder
from hpo_script.results import best_of
from hpo_script.samplers.keyed import make_sampler
from hpo_script.suggest import make_distribution, make_pruner, suggest
from hpo_script.task import Task
from hpo_script.training import DivergedError, since_last_gain, train


class Interrupted(BaseException):
    """A signal asked the run to end; holds its number."""


def digest(value: object) -> str:
    """Return the SHA-256 of a value's JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def open_study(
    experiment: Experiment, task: Task, *, storage: str, data_sha256: str
) -> optuna.Study:
    """Create or load the study; refuse one whose trials would not compare with new ones."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = make_sampler(experiment)
    try:
        study = optuna.create_study(
            storage=storage,
            study_name=experiment.study_name,
            direction=experiment.direction,
            sampler=sampler,
            pruner=make_pruner(experiment.pruner),
            load_if_exists=True,
        )
    except Exception as error:  # each kind of storage has its own
        what = f"{type(error).__name__}: {error}"
        raise UnusableError(f"the storage cannot be used: {what}") from None
    params = (experiment.search_space, experiment.conditions, experiment.fixed_params)
    made_of = {
        "data_sha256": data_sha256,
        "architectures_sha256": digest(experiment.architectures),
        "settings_sha256": digest([[experiment.metric, *params], task.settings()]),
    }
    for name, value in made_of.items():
        known = study.user_attrs.get(name, value)
        if known != value:
            raise UnusableError(
                f"study {study.study_name} has {name} {known[:12]}, this run has {value[:12]}:"
                " its trials would not compare with new ones. Use another --out or --storage."
            )
        study.set_user_attr(name, value)
    if "study_id" not in study.user_attrs:
        study.set_user_attr("study_id", uuid.uuid4().hex[:12])
    return study


class Search:
    """The trials of one run."""

    def __init__(
        self, task: Task, recorder: Recorder, *, device: torch.device, smoke: bool
    ) -> None:
        self.task, self.recorder, self.device, self.smoke = task, recorder, device, smoke
        self.study, self.experiment = recorder.study, recorder.experiment
        self.space = self.experiment.space
        self.sample_bytes = self.measure_shapes()
        self.progress = Progress(self.experiment.n_trials)

    def measure_shapes(self) -> list[int]:
        """Return the bytes per sample of each shape, at most heads; say which do not fit."""
        found, unfit, free = [], 0, free_memory(self.device)
        for rows in self.space.shapes:
            row = self.experiment.architectures[rows[-1]]
            sample_bytes = bytes_per_sample(self.task, check_count(self.task, row))
            found.append(sample_bytes)
            if fitting_micro_batch(row["params"], sample_bytes, free, 1) == 0:
                unfit += 1
                say(
                    f"warning: {dict(row)} needs {row['params'] * BYTES_PER_PARAMETER:,} bytes and"
                    f" {sample_bytes:,} per sample, {free:,} are free: its trials will fail (oom)"
                )
        if unfit == len(found):
            raise UnusableError("no architecture fits this machine; --dry-run shows the plan")
        return found

    def run(self) -> int:
        """Run trials up to the total; return the exit code: 1 if none ever finished."""
        self.enqueue_extremes()
        reason, hours = "error", self.experiment.timeout_hours
        end = math.inf if hours is None else time.monotonic() + 3600 * hours
        try:
            while (started := sum(self.recorder.counts().values())) < self.experiment.n_trials:
                if time.monotonic() >= end:
                    reason = "timeout"
                    break
                self.run_trial(self.study.ask(), started + 1)
            else:
                reason = "trials"
        except Interrupted:
            reason = "interrupted"
            raise
        finally:
            self.recorder.close_run(reason)
        return 0 if best_of(self.study) else 1

    def enqueue_extremes(self) -> None:
        """Queue the architectures that are tried in any case, each once in the life of a study."""
        trials = self.study.get_trials(deepcopy=False)
        # One that a killed run left behind counts as not tried.
        there = [trial for trial in trials if trial.state != TrialState.RUNNING]
        known = {trial.user_attrs.get("extreme") for trial in there}
        kind = "smoke" if self.smoke else "extreme"
        for arch_idx, ends in self.experiment.extreme_indices.items():
            if ends not in known:
                attributes = {"kind": kind, "extreme": ends}
                self.study.enqueue_trial(self.space.encode(arch_idx), user_attrs=attributes)

    def run_trial(self, trial: Trial, started: int) -> None:
        """Train one trial and record its end, whatever it is."""
        for name, value in self.start_attributes(trial).items():
            trial.set_user_attr(name, value)
        self.recorder.begin(trial)
        config = {**trial.user_attrs, **trial.params}  # what is trained is what is recorded
        shape = (f"{axis}={config[axis]}" for axis in ("d_model", "n_layers", "n_heads"))
        self.progress.begin(started, " ".join(shape))
        since = time.monotonic()
        curve: Curve = []
        try:
            state, found = self.train_trial(trial, config, curve)
        except Exception as error:  # whatever it is, it must not end the study
            state, found = TrialState.FAIL, failure(error)
        found |= {"seconds": time.monotonic() - since, "learning_curve": curve}
        for name, value in found.items():
            trial.set_user_attr(name, value)
        value = found[self.experiment.metric] if state == TrialState.COMPLETE else None
        ended = self.study.tell(trial, value, state)
        self.recorder.publish(ended)
        best = best_of(self.study)
        lead = f"best {best.value:.5g} (trial {best.number})" if best else "none finished yet"
        self.progress.end(f"{state.name} {found.get('fail_reason', ended.value)}  {lead}")

    def start_attributes(self, trial: Trial) -> dict[str, Any]:
        """Return what is known of a trial before it is trained, besides its parameters."""
        config = suggest(trial, self.experiment)
        arch_idx = self.space.decode(trial.params)
        row = self.experiment.architectures[arch_idx]
        trained = {name: config[name] for name in config if name not in self.space.sizes()}
        config_id = digest([dict(row), trained])[:12]
        *earlier, own = self.study.get_trials(deepcopy=False)[: trial.number + 1]
        kind = "enqueued" if "fixed_params" in own.system_attrs else "search"
        if any(other.user_attrs.get("config_id") == config_id for other in earlier):
            kind = "repeat"
        known = {
            "arch_idx": arch_idx,
            **{"param_count" if name == "params" else name: row[name] for name in row},
            **config,
            **self.task.amounts(config),
            "seed": self.experiment.seed,
            "kind": kind,
            **own.user_attrs,  # of an extreme: its kind, and the ends it stands for
            "config_id": config_id,
        }
        return {name: value for name, value in known.items() if name not in trial.params}

    def train_trial(
        self, trial: Trial, config: Config, curve: Curve
    ) -> tuple[TrialState, dict[str, Any]]:
        """Train, from the start with half the micro-batch each time memory runs out.

        The evaluations are put into `curve`, so that they outlive a failure.
        """
        sample_bytes = self.sample_bytes[config["shape_idx"]]
        n_params, free = config["param_count"], free_memory(self.device)
        micro_batch = fitting_micro_batch(n_params, sample_bytes, free, config["batch_size"])
        if micro_batch == 0:
            raise MemoryError(
                f"{n_params:,} parameters and {sample_bytes:,} bytes per sample, {free:,} are free"
            )
        while True:
            try:
                return self.train_once(trial, config, curve, micro_batch)
            except Exception as error:
                if micro_batch == 1 or not out_of_memory(error):
                    raise
            micro_batch = -(-micro_batch // 2)
            self.recorder.retried(trial, micro_batch)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def train_once(
        self, trial: Trial, config: Config, curve: Curve, micro_batch: int
    ) -> tuple[TrialState, dict[str, Any]]:
        """Train with a micro-batch; return the state and the best evaluation."""
        unit, metric, sign = self.task.unit, self.experiment.metric, self.experiment.sign
        spared = config["kind"] in ("extreme", "smoke")
        prunable = prunable_from(self.task.rounds(config), config)
        curve.clear()
        state, ended_by = TrialState.COMPLETE, "schedule"
        for point in train(
            self.task,
            self.experiment.architectures[config["arch_idx"]],
            config,
            key=(self.experiment.seed, trial.number),
            device=self.device,
            micro_batch=micro_batch,
            progress=self.progress.update,
        ):
            curve.append(point)
            self.recorder.evaluated(trial, point)
            trial.report(point[metric], point[unit])
            if not spared and point[unit] >= prunable and trial.should_prune():
                state, ended_by = TrialState.PRUNED, "pruned"
                break
            values = (sign * known[metric] for known in curve)
            if since_last_gain(values, config["min_delta"]) >= config["patience"]:
                ended_by = "early_stopping"
                break
        best = min(curve, key=lambda point: sign * float(point[metric]))
        return state, {
            **{name: value for name, value in best.items() if name != unit},
            f"best_{unit}": best[unit],
            f"{unit}s_trained": curve[-1][unit],
            "ended_by": ended_by,
            "micro_batch": micro_batch,
            "accumulation_steps": -(-config["batch_size"] // micro_batch),
        }


def prunable_from(rounds: Sequence[Round], config: Config) -> float:
    """Return the count from which a trial may be pruned: a share of its own schedule.

    Not while its learning rate still warms up: others with a shorter warm-up are ahead until then.
    """
    done = itertools.accumulate(item.n_batches for item in rounds)
    warm = (item.step for item, n in zip(rounds, done, strict=True) if n > config["warmup_steps"])
    return max(config["prune_from"] * rounds[-1].step, next(warm, math.inf))


def failure(error: Exception) -> dict[str, Any]:
    """Return why a trial failed, and where."""
    diverged = isinstance(error, DivergedError)
    reason = "diverged" if diverged else "oom" if out_of_memory(error) else "error"
    last = traceback.extract_tb(error.__traceback__)[-1]
    return {
        "fail_reason": reason,
        "error": f"{type(error).__name__}: {error}",
        "where": f"{Path(last.filename).name}:{last.lineno} in {last.name}",
    }


def smoke_version(experiment: Experiment, params: Mapping[str, Any]) -> Experiment:
    """Return the experiment of --smoke: the two smallest architectures, a study of its own."""
    rows = experiment.architectures
    by_size = sorted(experiment.space.allowed, key=lambda arch_idx: rows[arch_idx]["params"])
    other = (i for i in by_size if rows[i]["params"] != rows[by_size[0]]["params"])
    smallest = (by_size[0], next(other, by_size[1]))
    space = {name: v for name, v in experiment.search_space.items() if name not in params}
    return replace(
        experiment,
        study_name=f"{experiment.study_name}-smoke-{uuid.uuid4().hex[:8]}",
        n_trials=2,
        timeout_hours=None,
        extreme_indices={arch_idx: f"smoke {arch_idx}" for arch_idx in smallest},
        search_space=space,
        fixed_params={**experiment.fixed_params, **params},
    )


def interrupt(number: int, _frame: object) -> NoReturn:
    """Turn a signal into an exception."""
    raise Interrupted(number)


def main(arguments: Namespace, task: Task, experiment: Experiment) -> int:
    """Do what the command line asks; return the exit code."""
    for number in signal.Signals:
        asked = number.name in ("SIGHUP", "SIGINT", "SIGTERM")
        if asked and signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores SIGHUP
            signal.signal(number, interrupt)
    try:
        return dispatch(arguments, task, experiment)
    except Interrupted as stop:
        return 128 + int(stop.args[0])
    except (UnusableError, OSError, ImportError) as error:
        say(f"error: {error}")
        return 3 if isinstance(error, ImportError) else 2  # a sampler or storage needs a package


def dispatch(arguments: Namespace, task: Task, experiment: Experiment) -> int:
    """Check or search; return the exit code. Raises UnusableError."""
    experiment = replace(experiment, n_trials=arguments.n_trials, seed=arguments.seed)
    out, smoke = arguments.out, arguments.smoke
    device = choose_device(arguments.device)
    task.load(device)
    if smoke:
        experiment = smoke_version(experiment, task.shrink())
    if arguments.dry_run:
        return dry_run(task, experiment, device)
    data = task.describe()
    storage = arguments.storage or f"sqlite:///{out / 'study.db'}"
    if not arguments.storage and set("?#%") & set(storage):
        raise UnusableError(f"--out {out}: ?, # and % would end the address of the database")
    out.mkdir(parents=True, exist_ok=True)
    study = open_study(experiment, task, storage=storage, data_sha256=data["data_sha256"])
    recorder = Recorder(study, experiment, out=out, log=arguments.log)
    search = Search(task, recorder, device=device, smoke=smoke)
    distributions = {name: make_distribution(t) for name, t in experiment.searched.items()}
    recorder.open_run(
        unit=task.unit,
        search_space={n: json.loads(distribution_to_json(d)) for n, d in distributions.items()},
        overrides=arguments.overrides,
        smoke=smoke,
        device=str(device),
        threads=torch.get_num_threads(),
        **data,
    )
    return search.run()
