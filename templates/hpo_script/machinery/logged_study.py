"""Logged study: the meaning of the lines, which every reader of a log shares.

A claim is a line in which a run starts or resumes a trial. A trial belongs to the run that claimed
it last; lines of a run that lost its claim are ignored. An end line is complete by itself, so a
damaged line costs at most the trial whose end it was: that trial runs again under its number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import fmean, median, stdev
from typing import Any

from hpo_script.machinery.log_lines import ARCHITECTURE, IDENTITY, STATES

OF_LINE = {*IDENTITY, "trial", "system_attrs", "learning_curve"}
NOT_OF_PLACE = {*OF_LINE, *ARCHITECTURE}
NOT_METRICS = {*NOT_OF_PLACE, "unit", "step"}
NOT_ATTRIBUTES = {*OF_LINE, "state", "value", "datetime_start", "datetime_complete"}


@dataclass
class LoggedTrial:
    """A trial as its lines describe it; `attributes` includes its parameters."""

    number: int
    claims: list[str] = field(default_factory=list)  # runs, the last one owns the trial
    attributes: dict[str, Any] = field(default_factory=dict)
    system_attrs: dict[str, Any] = field(default_factory=dict)  # of sampler and pruner
    start_attrs: dict[str, Any] = field(default_factory=dict)  # the same at its start
    curve: list[dict[str, Any]] = field(default_factory=list)
    state: str = "RUNNING"
    value: float | None = None
    datetime_start: str | None = None
    datetime_complete: str | None = None
    resumed_at: dict[str, Any] = field(default_factory=dict)  # where it was resumed last
    n_resumed: int = 0  # how often in a row it was resumed there

    @property
    def finished(self) -> bool:
        return self.state != "RUNNING"

    @property
    def rerun_of(self) -> int | None:
        return self.attributes.get("rerun_of")

    def take(self, event: str, fields: dict[str, Any]) -> None:
        if event == "evaluation":
            self.system_attrs |= fields.get("system_attrs", {})
            step = fields["step"]
            while self.curve and next(iter(self.curve[-1].values())) >= step:
                self.curve.pop()  # a resumed trial evaluates again
            metrics = {name: fields[name] for name in fields if name not in NOT_METRICS}
            self.curve.append({fields["unit"]: step, **metrics})
            return
        self.system_attrs = fields.get("system_attrs", {})
        self.curve = fields.get("learning_curve", [])
        if event == "trial_resumed":
            place = {name: fields[name] for name in fields if name not in NOT_OF_PLACE}
            self.n_resumed = self.n_resumed + 1 if place == self.resumed_at else 1
            self.resumed_at = place
            self.attributes |= {name: place[name] for name in place if name == "micro_batch"}
            return
        self.attributes = {name: fields[name] for name in fields if name not in NOT_ATTRIBUTES}
        self.datetime_start = fields["datetime_start"]
        if event == "trial_start":
            self.start_attrs = dict(self.system_attrs)
            self.resumed_at = {}
        else:
            self.state, self.value = fields["state"], fields["value"]
            self.datetime_complete = fields["datetime_complete"]


class LoggedStudy:
    """The study of a log, built from its events in the order of the lines."""

    def __init__(self) -> None:
        self.study_id: str | None = None
        self.runs: dict[str, dict[str, Any]] = {}  # fields of each run line
        self.gone: set[str] = set()  # runs that ended, or whose trial another run took
        self.trials: dict[int, LoggedTrial] = {}
        self.enqueued: dict[str, dict[str, Any]] = {}  # parameters by id
        self.history: list[LoggedTrial] = []
        self.changed: set[int] = set()  # trials with new lines; OptunaStudy empties it

    def take(self, event: str, fields: dict[str, Any]) -> None:
        """Take the event of one line, unless the line is of another study."""
        self.study_id = self.study_id or fields["study"]
        if fields["study"] != self.study_id:
            return
        run = fields["run"]
        if event == "run_start":
            self.runs.setdefault(run, fields)
        elif event == "run_end":
            self.gone.add(run)
        elif event == "enqueued":
            self.enqueued.setdefault(fields["enqueued_id"], fields["trial_params"])
        elif event == "history":
            about = {"from_study": fields["from_study"], **fields["trial_params"]}
            known = LoggedTrial(fields["from_trial"], attributes=about, state=fields["state"])
            known.curve, known.value = fields["learning_curve"], fields["value"]
            self.history.append(known)
        elif "trial" in fields:
            self.take_trial(event, fields)

    def take_trial(self, event: str, fields: dict[str, Any]) -> None:
        """Take a line of a trial, unless the trial has ended or its run lost the claim."""
        number, run = fields["trial"], fields["run"]
        trial = self.trials.setdefault(number, LoggedTrial(number))
        claims = event in ("trial_start", "trial_resumed")
        lost = run in trial.claims and run != trial.claims[-1]
        if trial.finished or (lost and not claims):
            return
        if claims:
            self.gone.update(trial.claims[-1:])
            self.gone.discard(run)
            trial.claims.append(run)
        trial.take(event, fields)
        self.changed.add(number)

    def counts(self) -> dict[str, int]:
        states = [trial.state for trial in self.trials.values()]
        return {name: states.count(state) for name, state in STATES.items()}

    def ranked(self, direction: str) -> list[LoggedTrial]:
        """Return the complete trials without reruns, the best first, the first of equals first."""
        sign = 1 if direction == "minimize" else -1
        found = [t for t in self.trials.values() if t.state == "COMPLETE" and t.rerun_of is None]
        return sorted(found, key=lambda t: (sign * (t.value or 0.0), t.number))

    def best(self, direction: str) -> LoggedTrial | None:
        return next(iter(self.ranked(direction)), None)

    def seed_noise(self, direction: str) -> dict[str, Any]:
        """Return the spread of the trial that was rerun last, {} if it has fewer than two reruns.

        `lead` is from the median trial to the mean of the reruns, above 0 if this is better.
        """
        values = [trial.value or 0.0 for trial in self.ranked(direction)]
        complete = [trial for _, trial in sorted(self.trials.items()) if trial.state == "COMPLETE"]
        last = [t.rerun_of for t in complete if t.rerun_of is not None][-1:]
        again = [trial.value or 0.0 for trial in complete if trial.rerun_of in last]
        if len(again) < 2 or not values:
            return {}
        sd, mean, middle = stdev(again), fmean(again), median(values)
        found = {"sd": sd, "rerun_of": last[0], "reruns": len(again), "mean": mean}
        lead = middle - mean if direction == "minimize" else mean - middle
        near = sum(abs(value - values[0]) <= sd for value in values[1:])
        return {**found, "median": middle, "lead": lead, "within_sd": near}
