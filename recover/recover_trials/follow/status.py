"""Status of a study: finished and running trials, time left, silence of its log."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from recover_trials.follow.live import LiveLog
from recover_trials.model import Study, Trial

ARCHITECTURE = ("d_model", "n_layers", "n_heads")


@dataclass
class RunningTrial:
    """A trial of an active run.

    Attributes:
        architecture: its sizes, as text.
        unit: unit of `step` and `steps`, such as epoch.
        step: last evaluated step; 0 before the first evaluation.
        steps: total number of steps, if the log has it.
        elapsed: time since its start; None if the log has no start.
        left: estimate of the remaining time, from `elapsed` per step.
    """

    number: int
    architecture: str
    unit: str
    step: int
    steps: int | None
    elapsed: timedelta | None
    left: timedelta | None


@dataclass
class Status:
    """The status of a study at one time.

    Attributes:
        done: number of trials that have ended.
        total: number of trials that the script runs; None if the log has none.
        counts: number of trials in each state.
        best: number and value of the best trial.
        left: estimate of the remaining time, from the mean time per trial.
        silence: time since the last write of the log.
        longest: longest gap between two lines of one run.
        end_reason: why the last run ended; None while a run is active or was killed.
        states: state and value of each trial, by number.
        evaluated: whether the test split was evaluated, if the script does that at its end.
    """

    name: str
    done: int
    total: int | None
    counts: Mapping[str, int]
    best: tuple[int, float] | None
    metric: str
    running: list[RunningTrial]
    left: timedelta | None
    silence: timedelta
    longest: timedelta
    stalled: bool
    end_reason: str | None
    states: dict[int, tuple[str, float | None]]
    evaluated: bool = True

    @property
    def finished(self) -> bool:
        """Whether all trials are done, and the test split if there is one to evaluate.

        A study without a total never is finished.
        """
        return self.total is not None and self.done >= self.total and self.evaluated

    @property
    def interrupted(self) -> bool:
        """Whether the last run ended before the total was done."""
        return self.end_reason is not None and not self.finished


def statuses(logs: Iterable[LiveLog]) -> dict[str, Status]:
    """Return the status of every study, by key, from the log with the latest line."""
    now = datetime.now()
    latest: dict[str, Status] = {}
    for log in logs:
        for study in log.studies():
            status = status_of(study, log, now)
            other = latest.get(study.key)
            if other is None or status.silence < other.silence:
                latest[study.key] = status
    return latest


def status_of(study: Study, log: LiveLog, now: datetime) -> Status:
    last = {number: rows[-1] for number, rows in study.trials.items()}
    active = log.hpogen.active.get(study.key)
    running_trials = [
        trial
        for trial in last.values()
        if trial.state == "RUNNING"
        and (active is None or trial.run is None or trial.run in active)
    ]
    done = sum(trial.state != "RUNNING" for trial in last.values())
    total = study.about.get("n_trials")
    total = total if isinstance(total, int) and total > 0 else None
    running = [running_of(study, trial, log.rhythm.last or now) for trial in running_trials]
    best = study.best
    status = Status(
        name=study.name,
        done=done,
        total=total,
        counts=study.counts(),
        best=(best.number, best.value) if best and best.value is not None else study.named_best,
        metric=str(study.about.get("metric") or "value"),
        running=running,
        left=remaining_time(list(last.values()), total, done, running),
        silence=log.silence(now),
        longest=log.rhythm.longest,
        stalled=False,
        end_reason=log.hpogen.end_reasons.get(study.key),
        states={number: (trial.state, trial.value) for number, trial in last.items()},
        evaluated="train_on" not in study.about or bool(study.test_result),
    )
    has_run = status.end_reason is None and not status.finished
    status.stalled = has_run and log.rhythm.is_stalled(status.silence)
    return status


def running_of(study: Study, trial: Trial, clock: datetime) -> RunningTrial:
    """Return the progress of a trial at the time `clock`, which the stamps of its log show."""
    config = {**trial.user_attrs, **trial.params}
    unit = str(study.about.get("unit") or "epoch")
    steps = config.get(f"{unit}s")
    steps = steps if isinstance(steps, int) and steps > 0 else None
    step = max(trial.curve, default=0)
    elapsed = max(clock - trial.datetime_start, timedelta(0)) if trial.datetime_start else None
    left = None
    if elapsed is not None and steps and step:
        left = elapsed / step * max(steps - step, 0)
    shown = [f"{name}={config[name]}" for name in ARCHITECTURE if name in config]
    return RunningTrial(trial.number, " ".join(shown), unit, step, steps, elapsed, left)


def remaining_time(
    trials: list[Trial], total: int | None, done: int, running: list[RunningTrial]
) -> timedelta | None:
    """Return the time that the remaining trials take, at the mean time per finished trial."""
    times = [
        (trial.datetime_complete - trial.datetime_start).total_seconds()
        for trial in trials
        if trial.datetime_complete and trial.datetime_start and trial.state != "RUNNING"
    ]
    if total is None or not times:
        return None
    mean = timedelta(seconds=statistics.fmean(times))
    remaining = [mean - (t.elapsed or timedelta(0)) if t.left is None else t.left for t in running]
    waiting = max(total - done - len(running), 0)
    work = sum((max(time, timedelta(0)) for time in remaining), waiting * mean)
    return work / max(len(running), 1)
