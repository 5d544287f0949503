"""Logged study: the meaning of the lines, which every reader of a log shares.

A claim is a line in which a run starts or resumes a trial. A trial belongs to the run that claimed
it last; lines of a run that lost its claim are ignored. An end line is complete by itself, so a
damaged line costs at most the trial whose end it was: that trial runs again under its number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hpo_script.machinery.trial_log import ARCHITECTURE, COUNTS, IDENTITY, SHORT_NAMES

LONG_NAMES = {short: name for name, short in SHORT_NAMES.items()}
ATTEMPT = {
    *("trial", "unit", "step", "d_ff", "system_attrs", "learning_curve"),
    *(*ARCHITECTURE, *IDENTITY),
}
NOT_ATTRIBUTES = {
    *("trial", "state", "value", "datetime_start", "datetime_complete", "system_attrs"),
    *IDENTITY,
}


@dataclass
class LoggedTrial:
    """A trial as its lines describe it; `attributes` has its parameters, too."""

    number: int
    claims: list[str] = field(default_factory=list)  # runs, the last one owns the trial
    attributes: dict[str, Any] = field(default_factory=dict)
    system_attrs: dict[str, Any] = field(default_factory=dict)  # of sampler and pruner
    start_attrs: dict[str, Any] = field(default_factory=dict)  # of these, those of its start line
    curve: list[dict[str, Any]] = field(default_factory=list)
    state: str = "RUNNING"
    value: float | None = None
    datetime_start: str | None = None
    datetime_complete: str | None = None
    resumed_at: dict[str, Any] = field(default_factory=dict)  # where it was resumed last
    n_resumed: int = 0  # how often in a row it was resumed there

    @property
    def finished(self) -> bool:
        """Return whether the trial has an end line."""
        return self.state != "RUNNING"

    def cut(self, step: int) -> None:
        """Drop the evaluations after a step: they are evaluated again."""
        while self.curve and next(iter(self.curve[-1].values())) > step:
            self.curve.pop()


class LoggedStudy:
    """The study of a log, built from its events in the order of the lines."""

    def __init__(self) -> None:
        self.study_id: str | None = None
        self.runs: dict[str, dict[str, Any]] = {}  # fields of each run line
        self.ended_runs: set[str] = set()
        self.trials: dict[int, LoggedTrial] = {}
        self.enqueued: list[dict[str, Any]] = []
        self.history: list[dict[str, Any]] = []
        self.changed: set[int] = set()  # trials with news for whoever empties this
        self.reset: set[int] = set()  # of these, those whose earlier lines no longer hold

    def trial(self, number: int) -> LoggedTrial:
        """Return the trial of a number, new where no line named it yet."""
        return self.trials.setdefault(number, LoggedTrial(number))

    def take(self, event: str, fields: dict[str, Any]) -> bool:
        """Take the event of one line; return False for a line of another study."""
        self.study_id = self.study_id or fields["study"]
        if fields["study"] != self.study_id:
            return False
        if "trial" in fields:
            self.take_trial(event, fields)
        elif event == "run_start":
            self.runs.setdefault(fields["run"], fields)
        elif event == "run_end":
            self.ended_runs.add(fields["run"])
        elif event in ("enqueued", "history"):
            (self.enqueued if event == "enqueued" else self.history).append(fields)
        return True

    def take_trial(self, event: str, fields: dict[str, Any]) -> None:
        """Take a line of a trial, unless the trial has ended or its run lost the claim."""
        trial, run = self.trial(fields["trial"]), fields["run"]
        claim = event in ("trial_start", "trial_resumed")
        if trial.finished or (self.superseded(trial, run) and not claim):
            return
        self.changed.add(trial.number)
        if event == "evaluation":
            self.evaluate(trial, fields)
        elif event == "trial_end":
            self.end(trial, fields)
        else:
            self.claim(event, trial, fields)

    def superseded(self, trial: LoggedTrial, run: str) -> bool:
        """Return whether a run lost its claim of a trial to another run."""
        return run in trial.claims and run != trial.claims[-1]

    def evaluate(self, trial: LoggedTrial, fields: dict[str, Any]) -> None:
        """Add an evaluation to the learning curve."""
        trial.cut(fields["step"] - 1)
        metrics = {name: value for name, value in fields.items() if name not in ATTEMPT}
        trial.curve.append({fields["unit"]: fields["step"], **metrics})
        trial.system_attrs |= fields.get("system_attrs", {})

    def claim(self, event: str, trial: LoggedTrial, fields: dict[str, Any]) -> None:
        """Start, resume or retry a trial: what was evaluated beyond that point is void."""
        if trial.claims:
            self.reset.add(trial.number)
        place = {name: value for name, value in fields.items() if name not in ATTEMPT}
        if event == "trial_start":
            trial.claims.append(fields["run"])
            trial.curve, trial.n_resumed, trial.resumed_at = [], 0, {}
            trial.start_attrs = fields.get("system_attrs", {})
            self.describe(trial, fields)
        elif event == "trial_resumed":
            trial.claims.append(fields["run"])
            trial.n_resumed = trial.n_resumed + 1 if place == trial.resumed_at else 1
            trial.resumed_at = place
            trial.curve = fields.get("learning_curve", [])
        else:
            trial.curve = []
            trial.attributes["micro_batch"] = fields.get("micro_batch")
        trial.system_attrs = dict(fields.get("system_attrs", trial.start_attrs))

    def describe(self, trial: LoggedTrial, fields: dict[str, Any]) -> None:
        """Take the parameters and attributes of a start or end line."""
        trial.attributes = {
            LONG_NAMES.get(name, name): value
            for name, value in fields.items()
            if name not in NOT_ATTRIBUTES
        }
        trial.datetime_start = fields["datetime_start"]

    def end(self, trial: LoggedTrial, fields: dict[str, Any]) -> None:
        """End a trial."""
        self.describe(trial, fields)
        trial.curve = trial.attributes["learning_curve"]
        trial.system_attrs = fields.get("system_attrs", {})
        trial.state, trial.value = fields["state"], fields["value"]
        trial.datetime_complete = fields["datetime_complete"]

    def counts(self) -> dict[str, int]:
        """Return how many trials are in each state, under the names of the log."""
        states = [trial.state for trial in self.trials.values()]
        names = zip(COUNTS, ("COMPLETE", "PRUNED", "FAIL", "RUNNING"), strict=True)
        return {name: states.count(state) for name, state in names}

    def best(self, direction: str) -> LoggedTrial | None:
        """Return the finished trial with the best value, the first of equals."""
        finished = [trial for trial in self.trials.values() if trial.state == "COMPLETE"]
        sign = 1 if direction == "minimize" else -1
        return min(finished, key=lambda t: (sign * (t.value or 0.0), t.number), default=None)
