"""Studies that grow: the same reading as of a whole log, block by block."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from recover_trials.findings import Findings
from recover_trials.follow.tail import Tail
from recover_trials.hpogen_log.hpogen_lines import Event, Unread
from recover_trials.hpogen_log.reader import StudyLog, reader_of
from recover_trials.hpogen_log.studies import OwnStudies
from recover_trials.model import Study, Trial
from recover_trials.optuna_log.runs import Runs
from recover_trials.optuna_log.stamps import parse_time
from recover_trials.scan import Scanner

STAMP = re.compile(
    rb"\[[A-Z] (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3})\] "
    rb"(Run [0-9a-f]+ started|A new study created|Using an existing)?"
)
SHOWN = ("d_model", "n_layers", "n_heads")
STALLED_FACTOR = 3
SHORTEST_STALL = timedelta(seconds=60)  # gaps of a few seconds say nothing about the next one


class LiveStudies(OwnStudies):
    """Keeps which runs are at work, besides what their lines say."""

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[str, set[str]] = {}  # runs with a line since the last run began, by study
        self.ended: dict[str, str] = {}  # reason of a study's last run that ended, none at work

    def add(self, event: Event) -> None:
        """Take an event."""
        super().add(event)
        key, run = event.fields["study"], event.fields["run"]
        if event.name == "run_start":
            self.alive[key] = {run}
            self.ended.pop(key, None)
        elif event.name == "run_end":
            self.alive.get(key, set()).discard(run)
            if not self.alive.get(key):
                self.ended[key] = str(event.fields.get("reason"))
        elif event.name != "note":
            self.alive.setdefault(key, set()).add(run)

    def evaluate(self, said: Unread) -> None:
        """Take the line of an evaluation."""
        super().evaluate(said)
        self.alive.setdefault(said.study, set()).add(said.run)


@dataclass
class Rhythm:
    """When lines came, by their own stamps: the last one, and the longest time between two."""

    last: datetime | None = None
    longest: timedelta = timedelta(0)
    seen: bytes = b""

    def take(self, block: bytes) -> None:
        """Take lines. The time before a run is no gap: nothing was at work."""
        for match in STAMP.finditer(block):
            if match[1] == self.seen:
                continue
            self.seen = match[1]
            time = parse_time(match[1].decode())
            if time is None:
                continue
            if self.last is not None and not match[2]:
                self.longest = max(self.longest, time - self.last)
            self.last = time

    def note(self, now: datetime) -> None:
        """Take lines without stamps: when they are read must do."""
        if not self.seen:
            self.longest = max(self.longest, now - (self.last or now))
            self.last = now

    def stalled(self, silence: timedelta) -> bool:
        """Tell whether nothing came for much longer than ever before."""
        return silence > max(STALLED_FACTOR * self.longest, SHORTEST_STALL)


class LiveLog:
    """One log: its tail, its reader, its rhythm."""

    def __init__(self, path: Path, own: LiveStudies) -> None:
        self.path, self.tail, self.own = path, Tail(path), own
        self.runs = Runs()
        self.runs.open_source(str(path))
        self.findings = Findings()
        self.scanner: Scanner | StudyLog | None = None
        self.rhythm = Rhythm()
        self.here: set[str] = set()

    def poll(self) -> bool:
        """Take everything that is new; tell whether there was anything. Raises OSError."""
        some = False
        while block := self.tail.read():
            some = True
            self.rhythm.take(block)
            self.own.source, self.own.here = str(self.path), self.here
            if self.scanner is None:
                self.scanner = reader_of(block, self.findings, self.own, self.runs)
            self.scanner.feed(block)
            if self.here or not self.runs.studies:
                # Else lines of runs are looked for only when a trial comes that needs them.
                self.scanner.feed(b"", final=True)
        if some:
            self.own.update()
            self.rhythm.note(datetime.now())
        return some

    def silence(self, now: datetime) -> timedelta:
        """Return for how long nothing was written.

        The file tells when it changed: the clock that wrote the stamps may be of another zone.
        """
        changed = self.tail.changed()
        return max(now - changed, timedelta(0)) if changed else timedelta(0)

    def studies(self) -> list[Study]:
        """Return the studies that this log tells of now."""
        runs = (run for run in self.runs.open if run.trials or run is self.runs.current)
        return [*(self.own.studies[key] for key in sorted(self.here)), *runs]


@dataclass
class Status:
    """What is to be shown of a study."""

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
    ended: str | None
    states: dict[int, tuple[str, float | None]] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Tell whether nothing more is to come."""
        return self.ended is not None or (self.total is not None and self.done >= self.total)


@dataclass
class Running:
    """A trial at work."""

    number: int
    about: str
    unit: str
    step: int
    steps: int | None
    elapsed: timedelta | None
    left: timedelta | None


def status_of(study: Study, log: LiveLog, now: datetime) -> Status:
    """Return what a study looks like at a time."""
    last = {number: told[-1] for number, told in study.trials.items()}
    alive = log.own.alive.get(study.key)
    at_work = [
        trial
        for trial in last.values()
        if trial.state == "RUNNING" and (alive is None or trial.run is None or trial.run in alive)
    ]
    done = sum(trial.state != "RUNNING" for trial in last.values())
    total = study.about.get("n_trials")
    total = total if isinstance(total, int) and total > 0 else None
    ended = log.own.ended.get(study.key)
    running = [running_of(study, trial, log.rhythm.last or now) for trial in at_work]
    best = study.best
    status = Status(
        name=study.name,
        done=done,
        total=total,
        counts=study.counts(),
        best=(best.number, best.value) if best and best.value is not None else study.told_best,
        metric=str(study.about.get("metric") or "value"),
        running=running,
        left=time_left(list(last.values()), total, done, running),
        silence=log.silence(now),
        longest=log.rhythm.longest,
        stalled=False,
        ended=ended,
        states={number: (trial.state, trial.value) for number, trial in last.items()},
    )
    status.stalled = log.rhythm.stalled(status.silence) and not status.over
    return status


def running_of(study: Study, trial: Trial, clock: datetime) -> Running:
    """Return how far a trial is, by the last line of its log."""
    known = {**trial.user_attrs, **trial.params}
    unit = str(study.about.get("unit") or "epoch")
    steps = known.get(f"{unit}s")
    steps = steps if isinstance(steps, int) and steps > 0 else None
    step = max(trial.curve, default=0)
    elapsed = max(clock - trial.datetime_start, timedelta(0)) if trial.datetime_start else None
    left = None
    if elapsed is not None and steps and step:
        left = elapsed / step * max(steps - step, 0)
    shown = [
        f"{name}={known[name]}" for name in ("d_model", "n_layers", "n_heads") if name in known
    ]
    return Running(trial.number, " ".join(shown), unit, step, steps, elapsed, left)


def time_left(
    trials: list[Trial], total: int | None, done: int, running: list[Running]
) -> timedelta | None:
    """Return how long the study may take if trials go on to take what they took on average."""
    times = [
        (trial.datetime_complete - trial.datetime_start).total_seconds()
        for trial in trials
        if trial.datetime_complete and trial.datetime_start and trial.state != "RUNNING"
    ]
    if total is None or not times:
        return None
    mean = timedelta(seconds=statistics.fmean(times))
    begun = [mean - (t.elapsed or timedelta(0)) if t.left is None else t.left for t in running]
    waiting = max(total - done - len(running), 0)
    work = sum((max(time, timedelta(0)) for time in begun), waiting * mean)
    return work / max(len(running), 1)
