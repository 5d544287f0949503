"""Live logs and studies: new lines are read as those of a whole log are."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from recover_trials.findings import Findings
from recover_trials.follow.tail import Tail
from recover_trials.hpogen_log.hpogen_lines import Event, UnparsedEvaluation
from recover_trials.hpogen_log.reader import Version2Reader
from recover_trials.hpogen_log.studies import HpogenStudies
from recover_trials.model import Study, Trial
from recover_trials.optuna_log.runs import OptunaRuns
from recover_trials.optuna_log.stamps import parse_time
from recover_trials.scan import Scanner, reader_of

STAMP = re.compile(
    rb"\[[A-Z] (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\] "
    rb"(Run [0-9a-f]+ started|A new study created|Using an existing)?"
)
SHOWN = ("d_model", "n_layers", "n_heads")
STALLED_FACTOR = 3
SHORTEST_STALL = timedelta(seconds=60)  # gaps of a few seconds say nothing about the next one


class LiveStudies(HpogenStudies):
    """Folds events, and keeps the ids of active runs."""

    def __init__(self) -> None:
        super().__init__()
        # Runs with a line since the last run began, by study.
        self.active: dict[str, set[str]] = {}
        # The reason of the last run's end, of studies without an active run.
        self.end_reasons: dict[str, str] = {}

    def add(self, event: Event) -> None:
        super().add(event)
        key, run = event.fields["study"], event.fields["run"]
        if event.name == "run_start":
            self.active[key] = {run}
            self.end_reasons.pop(key, None)
        elif event.name == "run_end":
            self.active.get(key, set()).discard(run)
            if not self.active.get(key):
                self.end_reasons[key] = str(event.fields.get("reason"))
        elif event.name != "note":
            self.active.setdefault(key, set()).add(run)

    def evaluate(self, line: UnparsedEvaluation) -> None:
        super().evaluate(line)
        self.active.setdefault(line.study, set()).add(line.run)


@dataclass
class Rhythm:
    """The time of the last line, and the longest gap between two, by their stamps."""

    last: datetime | None = None
    longest: timedelta = timedelta(0)
    last_stamp: bytes = b""

    def add(self, block: bytes) -> None:
        """Add the stamps of lines. The time before a run is no gap, for no run was active."""
        for match in STAMP.finditer(block):
            if match[1] == self.last_stamp:
                continue
            self.last_stamp = match[1]
            time = parse_time(match[1].decode())
            if time is None:
                continue
            if self.last is not None and not match[2]:
                self.longest = max(self.longest, time - self.last)
            self.last = time

    def add_unstamped(self, now: datetime) -> None:
        """Add lines without stamps, at the time when they are read."""
        if not self.last_stamp:
            self.longest = max(self.longest, now - (self.last or now))
            self.last = now

    def is_stalled(self, silence: timedelta) -> bool:
        """Tell whether a silence is much longer than every gap before."""
        return silence > max(STALLED_FACTOR * self.longest, SHORTEST_STALL)


class LiveLog:
    """One log, read as it grows."""

    def __init__(self, path: Path, hpogen: LiveStudies) -> None:
        self.path, self.tail, self.hpogen = path, Tail(path), hpogen
        self.runs = OptunaRuns()
        self.runs.open_source(str(path))
        self.findings = Findings()
        self.reader: Scanner | Version2Reader | None = None
        self.rhythm = Rhythm()
        self.in_file: set[str] = set()

    def poll(self) -> bool:
        """Read all new lines; tell whether there were any. Raises OSError."""
        has_news = False
        while block := self.tail.read():
            has_news = True
            self.rhythm.add(block)
            self.hpogen.source, self.hpogen.in_file = str(self.path), self.in_file
            if self.reader is None:
                self.reader = reader_of(block, self.findings, self.hpogen, self.runs)
            self.reader.feed(block)
            if self.in_file or not self.runs.studies:
                # Otherwise the scanner would read the opening lines only before the next trial.
                self.reader.feed(b"", final=True)
        if has_news:
            self.hpogen.update()
            self.rhythm.add_unstamped(datetime.now())
        return has_news

    def silence(self, now: datetime) -> timedelta:
        """Return the time since the last write.

        It is that of the file, for the clock of the stamps may have another zone.
        """
        changed = self.tail.changed()
        return max(now - changed, timedelta(0)) if changed else timedelta(0)

    def studies(self) -> list[Study]:
        """Return the studies of this log."""
        runs = (run for run in self.runs.open if run.trials or run is self.runs.current)
        return [*(self.hpogen.studies[key] for key in sorted(self.in_file)), *runs]


@dataclass
class Status:
    """The state of a study for a reader."""

    name: str
    done: int
    total: int | None
    counts: Mapping[str, int]
    best: tuple[int, float] | None
    metric: str
    running: list[Running]
    left: timedelta | None
    silence: timedelta
    longest: timedelta
    stalled: bool
    end_reason: str | None
    states: dict[int, tuple[str, float | None]] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Tell whether the study is finished or its last run has ended."""
        return self.end_reason is not None or (self.total is not None and self.done >= self.total)


@dataclass
class Running:
    """A running trial."""

    number: int
    about: str
    unit: str
    step: int
    steps: int | None
    elapsed: timedelta | None
    left: timedelta | None


def status_of(study: Study, log: LiveLog, now: datetime) -> Status:
    """Return the state of a study at a time."""
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
    end_reason = log.hpogen.end_reasons.get(study.key)
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
        left=time_left(list(last.values()), total, done, running),
        silence=log.silence(now),
        longest=log.rhythm.longest,
        stalled=False,
        end_reason=end_reason,
        states={number: (trial.state, trial.value) for number, trial in last.items()},
    )
    status.stalled = log.rhythm.is_stalled(status.silence) and not status.over
    return status


def running_of(study: Study, trial: Trial, clock: datetime) -> Running:
    """Return the progress of a trial, by the last line of its log."""
    config = {**trial.user_attrs, **trial.params}
    unit = str(study.about.get("unit") or "epoch")
    steps = config.get(f"{unit}s")
    steps = steps if isinstance(steps, int) and steps > 0 else None
    step = max(trial.curve, default=0)
    elapsed = max(clock - trial.datetime_start, timedelta(0)) if trial.datetime_start else None
    left = None
    if elapsed is not None and steps and step:
        left = elapsed / step * max(steps - step, 0)
    shown = [f"{name}={config[name]}" for name in SHOWN if name in config]
    return Running(trial.number, " ".join(shown), unit, step, steps, elapsed, left)


def time_left(
    trials: list[Trial], total: int | None, done: int, running: list[Running]
) -> timedelta | None:
    """Return the time that the study needs at the mean time per finished trial."""
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
