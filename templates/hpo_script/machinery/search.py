"""Search: trials one after another, each recorded before the next begins.

A trial whose worker died goes on under its number, from its checkpoint if there is one: what is
found does not depend on how often a run was killed.
"""

from __future__ import annotations

import itertools
import math
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, Trial, TrialState

from hpo_script.checkpoint import Checkpoint
from hpo_script.device import (
    BYTES_PER_PARAMETER,
    bytes_per_sample,
    check_count,
    fitting_micro_batch,
    free_memory,
    out_of_memory,
)
from hpo_script.experiment import Config, Curve, Experiment, Round, UnusableError
from hpo_script.log_writer import say
from hpo_script.progress import Progress
from hpo_script.recorder import Recorder
from hpo_script.results import best_of
from hpo_script.stops import Interrupted, Stops
from hpo_script.storage import StorageError, is_final, is_of_storage, one_commit, root_of
from hpo_script.study import digest
from hpo_script.suggest import suggest, unfit
from hpo_script.task import Task
from hpo_script.training import DivergedError, Training, since_last_gain, train
from hpo_script.workers import Workers

ANY_VALUE = {"micro_batch", "seed", "kind"}  # attributes that parameters do not settle
WRITTEN = {*ANY_VALUE, "config_id"}  # some of those that are written in one commit
OWNERS = "owners"  # attribute of the study: which process runs each trial that is running
MOST_DEATHS = 10  # processes that a trial may end in a row without getting any further
Done = TypeVar("Done")


class KilledError(Exception):
    """The trial ends its process again and again: it needs too much memory, say."""


@dataclass
class Attempt:
    """A trial in this process: its configuration, its evaluations, what an earlier run left."""

    trial: Trial
    config: Config
    checkpoint: Checkpoint
    saved: Mapping[str, Any] | None
    reported: dict[int, float]  # evaluations that the study knows
    curve: Curve = field(default_factory=list)

    def __post_init__(self) -> None:
        self.curve += self.saved["curve"] if self.saved else []
        # The last that an attempt before reported: of a pruned trial Optuna keeps the last value.
        self.before = max(self.reported, default=0)


class Fit(NamedTuple):
    """What a shape needs, and whether it fitted this machine when the run began."""

    sample_bytes: int
    fitted: bool


def measure_shapes(task: Task, experiment: Experiment, device: torch.device) -> list[Fit]:
    """Return what each shape needs, at most heads; say which do not fit."""
    found, free = [], free_memory(device)
    space = experiment.space
    for rows in space.shapes:
        trained = [arch_idx for arch_idx in rows if arch_idx in space.allowed]
        if not trained:
            found.append(Fit(0, fitted=False))
            continue
        row = experiment.architectures[trained[-1]]
        sample_bytes = bytes_per_sample(task, check_count(task, row))
        fitted = fitting_micro_batch(row["params"], sample_bytes, free, 1) > 0
        found.append(Fit(sample_bytes, fitted))
        if not fitted:
            say(
                f"warning: {dict(row)} needs {row['params'] * BYTES_PER_PARAMETER:,} bytes and"
                f" {sample_bytes:,} per sample, {free:,} are free: its trials will fail (oom)"
            )
    if not any(fit.fitted for fit in found):
        raise UnusableError("no architecture fits this machine; --dry-run shows the plan")
    return found


class Search:
    """The trials of one run."""

    def __init__(
        self,
        task: Task,
        recorder: Recorder,
        storage: BaseStorage,
        workers: Workers,
        stops: Stops,
        device: torch.device,
        fits: Sequence[Fit],
    ) -> None:
        self.task, self.recorder, self.workers, self.stops = task, recorder, workers, stops
        self.study, self.experiment = recorder.study, recorder.experiment
        self.storage = storage
        self.device, self.space = device, self.experiment.space
        self.fits = fits  # of each shape
        self.progress = Progress(self.experiment.n_trials)

    def run(self) -> int:
        """Run trials up to the total; return the exit code: 1 if none ever finished."""
        reason = "error"
        try:
            while trial := self.patiently(self.next_trial):
                self.run_trial(trial)
            reason = "trials"
        except Interrupted as stop:
            reason = stop.reason
            self.give_back()
            return stop.code
        finally:
            self.recorder.close_run(reason)
            self.workers.leave()
        return 0 if self.with_others() or best_of(self.study) else 1

    def give_back(self) -> None:
        """Leave the trial in hand to any worker, on any machine; say how to go on."""
        with suppress(Exception), self.workers.round():  # the storage may be why the run ends
            owners = self.study.user_attrs.get(OWNERS, {})
            others = {n: o for n, o in owners.items() if o and o["run"] != self.workers.run}
            self.study.set_user_attr(OWNERS, others)
        hint = f"; first remove {self.stops.file}" if self.stops.look() == "STOP" else ""
        say(f"to go on, run the same command again{hint}")

    def with_others(self) -> int:
        """Return how many trials other workers are at, and say whose they are."""
        running = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        owners = self.study.user_attrs.get(OWNERS, {})
        for trial in running:
            owner = owners.get(f"{trial.number}") or {}
            say(
                f"trial {trial.number} is with {owner.get('host')}, run {owner.get('run')}; if"
                " that machine is gone for good, --take-over goes on with it"
            )
        return len(running)

    def patiently(self, action: Callable[[], Done]) -> Done:
        """Do what needs the storage and may be done twice; where that fails, try again, longer."""
        for seconds in (1, 4, 15, 60, 120, 240):
            try:
                return action()
            except Exception as error:
                if not is_of_storage(error):
                    raise
                if is_final(error):
                    raise StorageError from error
                if stop := self.stops.asked():
                    raise stop from error
                said = str(root_of(error)).partition("\n")[0][:200]
                say(f"storage: {said}; trying again in {seconds} s")
            self.stops.wait(seconds)
        try:
            return action()
        except Exception as error:
            raise StorageError from error

    def next_trial(self) -> Trial | None:
        """Return the trial to train: one whose worker died, else a new one; None at the total."""
        while True:
            if stop := self.stops.asked():
                raise stop
            trial, wrong = self.claim_trial()
            if trial is None or not wrong:
                return trial
            said = f"trial {trial.number} was queued, but cannot be trained: {wrong}"
            why = {"fail_reason": "space", "error": said, "learning_curve": []}
            self.finish(trial, TrialState.FAIL, why)
            say(said)

    def claim_trial(self) -> tuple[Trial | None, str]:
        """Return the next trial, and why it cannot be trained, if so.

        Its parameters and attributes are in the storage then, and whose it is.
        """
        with self.workers.round():
            trials = self.study.get_trials(deepcopy=False)
            self.started = sum(trial.state != TrialState.WAITING for trial in trials)
            running = [trial for trial in trials if trial.state == TrialState.RUNNING]
            owners = self.study.user_attrs.get(OWNERS, {})
            owners = {f"{t.number}": owners.get(f"{t.number}") for t in running}
            left = next((t for t in running if self.workers.is_free(owners[f"{t.number}"])), None)
            self.taken_up = left is not None
            self.workers.confirm()
            mark = self.workers.owner()
            if left is not None:
                trial = Trial(self.study, left._trial_id)
                mark |= self.deaths_at(left, owners[f"{left.number}"] or {})
            elif self.started < self.experiment.n_trials:
                trial = self.study.ask()
                self.started += 1
            else:
                return None, ""
            self.deaths = mark.get("deaths", 0)
            owners[f"{trial.number}"] = mark
            with one_commit(self.storage):
                self.study.set_user_attr(OWNERS, owners)
                wrong = self.describe(trial)
            return trial, wrong

    def deaths_at(self, trial: FrozenTrial, owner: Mapping[str, Any]) -> dict[str, Any]:
        """Return how far a trial is, and how many processes in a row have ended with it there."""
        reached = [len(trial.intermediate_values), self.recorder.checkpoint(trial).written()]
        same = owner.get("reached") == reached
        return {"reached": reached, "deaths": owner.get("deaths", 0) + 1 if same else 1}

    def run_trial(self, trial: Trial) -> None:
        """Train one trial, from where it was left if it was, and record its end."""
        known = self.study.get_trials(deepcopy=False)[trial.number]
        config = {**known.user_attrs, **known.params}  # what is trained is what is recorded
        checkpoint = self.recorder.checkpoint(trial)
        saved = checkpoint.load() if self.taken_up else None
        if saved and saved["seed"] != config["seed"]:
            said = f"trial {trial.number} has seed {config['seed']}, not {saved['seed']}"
            raise self.recorder.altered(said)
        attempt = Attempt(trial, config, checkpoint, saved, dict(known.intermediate_values))
        if self.taken_up:
            self.recorder.take_up(trial, saved["curve"] if saved else [], self.task.unit)
        else:
            self.recorder.begin(known)
        shape = (f"{axis}={config[axis]}" for axis in ("d_model", "n_layers", "n_heads"))
        self.progress.begin(self.started, " ".join(shape))
        before = saved["seconds"] if saved else 0.0
        since = time.monotonic() - before
        try:
            if self.deaths >= MOST_DEATHS:
                raise KilledError(f"{self.deaths} processes in a row ended with it at one place")
            state, found = self.train_trial(attempt, since)
        except StorageError:  # not the trial's fault
            raise
        except Exception as error:  # whatever else it is, it must not end the study
            state, found = TrialState.FAIL, failure(error)
        found |= {"seconds": time.monotonic() - since, "learning_curve": attempt.curve}
        ended = self.patiently(lambda: self.finish(trial, state, found))
        checkpoint.remove()
        best = best_of(self.study)
        lead = f"best {best.value:.5g} (trial {best.number})" if best else "none finished yet"
        self.progress.end(f"{state.name} {found.get('fail_reason', ended.value)}  {lead}")

    def describe(self, trial: Trial) -> str:
        """Write what is known of a trial before it is trained; check what was written before.

        Return why it cannot be trained, which is the fault of whoever queued it.
        """
        own = self.study.get_trials(deepcopy=False)[trial.number]
        known = own.user_attrs
        begun = self.taken_up and len(WRITTEN & known.keys()) > 1  # what is damaged is one name
        wrong = "" if begun else unfit(own, self.experiment)
        if not wrong:
            wanted = self.start_attributes(trial)
            wrong = strange_in(own, wanted, self.experiment, begun=begun)
            for name in [name for name in wanted if name not in known]:
                trial.set_user_attr(name, wanted[name])
        if wrong and (begun or "extreme" in (*known, known.get("kind"))):
            raise self.recorder.altered(f"trial {trial.number}: {wrong}")
        return wrong

    def start_attributes(self, trial: Trial) -> dict[str, Any]:
        """Return what is known of a trial before it is trained, besides its parameters."""
        config = suggest(trial, self.experiment)
        arch_idx = self.space.decode(config)
        row = self.experiment.architectures[arch_idx]
        trained = {name: config[name] for name in config if name not in self.space.sizes()}
        config_id = digest([dict(row), trained])[:12]
        *earlier, own = self.study.get_trials(deepcopy=False)[: trial.number + 1]
        kind = "enqueued" if is_queued(own) else "search"
        if any(other.user_attrs.get("config_id") == config_id for other in earlier):
            kind = "repeat"
        known = {
            "arch_idx": arch_idx,
            **{"param_count" if name == "params" else name: row[name] for name in row},
            **config,
            **self.task.amounts(config),
            "micro_batch": self.micro_batch(arch_idx, config["batch_size"]),
            "seed": self.experiment.seed,
            "kind": kind,
            "config_id": config_id,
        }
        return {name: value for name, value in known.items() if name not in trial.params}

    def fit_of(self, arch_idx: int) -> Fit:
        """Return what an architecture needs."""
        return self.fits[self.space.shape_of[arch_idx]]

    def micro_batch(self, arch_idx: int, most: int) -> int:
        """Return how many samples fit at once, 0 if none."""
        params = self.experiment.architectures[arch_idx]["params"]
        free = free_memory(self.device)
        return fitting_micro_batch(params, self.fit_of(arch_idx).sample_bytes, free, most)

    def train_trial(self, attempt: Attempt, since: float) -> tuple[TrialState, dict[str, Any]]:
        """Train, from the start with half the micro-batch each time memory runs out.

        The evaluations are put into the attempt's curve, so that they outlive a failure.
        """
        config, arch_idx = attempt.config, attempt.config["arch_idx"]
        most = attempt.saved["micro_batch"] if attempt.saved else config["batch_size"]
        micro_batch = self.micro_batch(arch_idx, most)
        if micro_batch == 0:
            fit = self.fit_of(arch_idx)
            said = (
                f"{config['param_count']:,} parameters and {fit.sample_bytes:,} bytes per sample,"
                f" {free_memory(self.device):,} are free"
            )
            if fit.fitted:  # others took the memory; all trials to come would fail
                raise Interrupted(f"memory: {said}", 2)
            raise MemoryError(said)
        while True:
            try:
                return self.train_once(attempt, micro_batch, since)
            except Exception as error:
                if micro_batch == 1 or not out_of_memory(error):
                    raise
            micro_batch, attempt.saved = -(-micro_batch // 2), None
            attempt.curve.clear()
            attempt.before = max(attempt.reported, default=0)
            self.recorder.retried(attempt.trial, micro_batch)
            smaller = partial(attempt.trial.set_user_attr, "micro_batch", micro_batch)
            self.patiently(smaller)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def train_once(
        self, attempt: Attempt, micro_batch: int, since: float
    ) -> tuple[TrialState, dict[str, Any]]:
        """Train with a micro-batch; return the state and the best evaluation."""
        trial, config, curve, saved = attempt.trial, attempt.config, attempt.curve, attempt.saved
        unit, metric, sign = self.task.unit, self.experiment.metric, self.experiment.sign

        def after_batch(training: Training, share: float) -> None:
            self.progress.update(share)
            stop = self.stops.asked()
            if stop or attempt.checkpoint.due():
                seconds = time.monotonic() - since
                about = {"curve": curve, "seconds": seconds, "seed": config["seed"]}
                about |= {"micro_batch": micro_batch}
                attempt.checkpoint.save({**training.state(), **about})
                self.stops.reserve = 2 * attempt.checkpoint.cost
            if stop:
                raise stop

        state, ended_by = TrialState.COMPLETE, "schedule"
        for point in train(
            self.task,
            self.experiment.architectures[config["arch_idx"]],
            config,
            key=(config["seed"], trial.number),
            device=self.device,
            micro_batch=micro_batch,
            after_batch=after_batch,
            resume=saved,
        ):
            curve.append(point)
            self.recorder.evaluated(trial, point)
            if self.patiently(lambda: self.prunes(attempt)):
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

    def prunes(self, attempt: Attempt) -> bool:
        """Report what the study does not know yet; tell whether the trial is pruned now.

        An attempt before may have reported this evaluation, and later ones: it was not pruned
        before the last. A damaged storage may have lost or altered some that the checkpoint has.
        """
        config, reported = attempt.config, attempt.reported
        for point in attempt.curve:
            count, value = point[self.task.unit], point[self.experiment.metric]
            if count not in reported:
                attempt.trial.report(value, count)
            elif reported[count] != value:  # `report` would leave it as it is
                trial_id = attempt.trial._trial_id
                self.storage.set_trial_intermediate_value(trial_id, count, value)
                attempt.trial = Trial(self.study, trial_id)
            reported[count] = value
        prunable = max(prunable_from(self.task.rounds(config), config), attempt.before)
        spared = config["kind"] in ("extreme", "smoke") or count < prunable
        return not spared and attempt.trial.should_prune()

    def finish(self, trial: Trial, state: TrialState, found: Config) -> FrozenTrial:
        """Tell the study how a trial ended, then the log and the files."""
        value = found[self.experiment.metric] if state == TrialState.COMPLETE else None
        with self.workers.round():
            self.workers.confirm()
            ended = self.study.get_trials(deepcopy=False)[trial.number]
            if not ended.state.is_finished():  # a commit may succeed and be answered by an error
                with one_commit(self.storage):
                    for name, attribute in found.items():
                        trial.set_user_attr(name, attribute)
                    ended = self.study.tell(trial, value, state)
            self.recorder.publish(ended)
        return ended


def strange_in(
    trial: FrozenTrial, wanted: Mapping[str, Any], experiment: Experiment, *, begun: bool
) -> str:
    """Return what attributes and parameters of a trial cannot be its own; empty if all can.

    Where one is missing that was written, it may be there under an altered name.
    """
    known = trial.user_attrs
    written = {*wanted} if begun else {"kind"} if "extreme" in known else set[str]()
    both = wanted.keys() & known.keys() - ANY_VALUE
    strange = {name for name in both if known[name] != wanted[name]}
    strange |= trial.params.keys() - experiment.searched.keys()
    if written - known.keys() and not is_queued(trial):
        strange |= known.keys() - wanted.keys() - {"extreme"}
    found = {name: {**trial.params, **known}.get(name) for name in sorted(strange)}
    right = {name: wanted.get(name) for name in found}
    return f"it has {found}, not {right}" if found else ""


def is_queued(trial: FrozenTrial) -> bool:
    """Tell whether a trial was put into the queue, and not by the script."""
    return "fixed_params" in trial.system_attrs and "extreme" not in trial.user_attrs


def prunable_from(rounds: Sequence[Round], config: Config) -> float:
    """Return the count from which a trial may be pruned: a share of its own schedule.

    Not while its learning rate still warms up: others with a shorter warm-up are ahead until then.
    """
    done = itertools.accumulate(item.n_batches for item in rounds)
    warm = (item.step for item, n in zip(rounds, done, strict=True) if n > config["warmup_steps"])
    return max(config["prune_from"] * rounds[-1].step, next(warm, math.inf))


def failure(error: Exception) -> dict[str, Any]:
    """Return why a trial failed, and where."""
    told = {DivergedError: "diverged", KilledError: "killed"}
    reason = "oom" if out_of_memory(error) else told.get(type(error), "error")
    last = traceback.extract_tb(error.__traceback__)[-1]
    return {
        "fail_reason": reason,
        "error": f"{type(error).__name__}: {error}",
        "where": f"{Path(last.filename).name}:{last.lineno} in {last.name}",
    }
