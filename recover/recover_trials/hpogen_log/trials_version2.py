"""Fold of the events of version 2, with the code by which a search script reads its own log.

The first branch of a study is the study as its script reads it. A log that was copied and resumed
in two places has two starts or two ends of one trial: the second one is folded into the next
branch, and becomes a row with a flag.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from hpo_script.machinery.log_lines import ARCHITECTURE, FIELDS, LOG_EVENTS
from hpo_script.machinery.logged_study import NOT_ATTRIBUTES, LoggedStudy, LoggedTrial
from recover_trials.hpogen_log.conditions import applies
from recover_trials.hpogen_log.hpogen_lines import Event, UnparsedEvaluation, field_time
from recover_trials.hpogen_log.run_lines import close_run, open_run
from recover_trials.model import ENDED_TWICE, STARTED_TWICE, Study, Trial

TRIAL_EVENTS = [event for event, (head, _) in LOG_EVENTS.items() if "{trial}" in head]
ENDED = ("COMPLETE", "PRUNED", "FAIL")
UNKNOWN_FIELDS = "lines with a valid checksum have other fields than a search script writes"
END = ("state", "value", "datetime_start", "datetime_complete")


def is_version2(event: Event) -> bool:
    """Return whether only a script of version 2 can have written a line."""
    has_curve = isinstance(event.fields.get("learning_curve"), list)
    return has_curve or "log_version" in event.fields or event.name in ("enqueued", "history")


def is_curve(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(point, dict) and point and isinstance(next(iter(point.values())), int)
        for point in value
    )


def is_valid(event: Event) -> bool:
    """Return whether a line has the fields of LOG_EVENTS, with values of the right types."""
    name, fields = event.name, event.fields
    if name not in TRIAL_EVENTS:
        return name in LOG_EVENTS
    if not fields.keys() >= {*FIELDS[name]}:
        return False
    starts, ends = name in ("trial_start", "trial_end"), name == "trial_end"
    return (
        is_curve(fields.get("learning_curve", []))
        and isinstance(fields.get("system_attrs", {}), dict)
        and not (starts and field_time(fields, "datetime_start") is None)
        and not (ends and fields["state"] not in ENDED)
        and not (ends and type(fields["value"]) not in (int, float, type(None)))
    )


def is_duplicate_end_line(trial: LoggedTrial, fields: Mapping[str, Any]) -> bool:
    attributes = {name: value for name, value in fields.items() if name not in NOT_ATTRIBUTES}
    ours = [getattr(trial, name) for name in END], trial.curve, trial.attributes
    return repr(ours) == repr(
        ([fields[name] for name in END], fields["learning_curve"], attributes)
    )


class Version2:
    """One study, folded from the lines of any number of files."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.branches = [LoggedStudy()]
        # Evaluations are parsed only if no end line follows: it holds the whole curve.
        self.unparsed: dict[tuple[int, int], list[Event | UnparsedEvaluation]] = defaultdict(list)
        self.lines: dict[int, set[Any]] = defaultdict(set)  # of unfinished trials
        self.changed: set[int] = set()  # trials whose rows are out of date

    def add(self, event: Event) -> None:
        """Fold an event; flag the study if the event has other fields than LOG_EVENTS."""
        if not is_valid(event):
            if UNKNOWN_FIELDS not in self.study.flags:
                self.study.flags.append(UNKNOWN_FIELDS)
        elif event.name == "evaluation":
            self.evaluate(event.fields["trial"], event.fields["run"], event)
        elif event.name in TRIAL_EVENTS:
            self.add_to_trial(event)
        elif event.name == "run_start":
            open_run(self.study, event.fields)
            self.changed.update(*(branch.trials for branch in self.branches))
        elif event.name == "run_end":
            close_run(self.study, event.fields)
        elif event.name == "test_result":
            self.study.test_result = event.fields

    def evaluate(self, number: int, run: str, line: Event | UnparsedEvaluation) -> None:
        """Keep an evaluation unparsed until its trial ends or its row is needed."""
        index = self.branch_of_run(number, run)
        if index is not None and self.is_new(number, line):
            self.unparsed[index, number].append(line)
            self.changed.add(number)

    def is_new(self, number: int, line: Event | UnparsedEvaluation) -> bool:
        """Return False for a line of an unfinished trial that a copy of the log repeats."""
        lines = self.lines[number]
        before = len(lines)
        if isinstance(line, UnparsedEvaluation):
            lines.add(line.line)
        else:
            lines.add((line.name, line.time, line.fields["run"], line.fields.get("step")))
        return len(lines) > before

    def add_to_trial(self, event: Event) -> None:
        """Fold a line of a trial."""
        number, fields = event.fields["trial"], event.fields
        if event.name in ("trial_start", "trial_end"):
            index = self.branch_of_start(event)
        else:
            index = self.branch_of_run(number, fields["run"])
        if index is None or not self.is_new(number, event):
            return
        branch = self.branches[index]
        branch.changed.discard(number)
        branch.take(event.name, fields)
        # A finished trial, or one that another run resumed, ignores the line.
        if number in branch.changed:
            self.unparsed.pop((index, number), None)
            self.changed.add(number)
            self.describe(branch.trials[number], fields)
        if branch.trials[number].finished:
            self.lines.pop(number, None)
            self.study.named_bests.clear()  # this trial may be the best now

    def branch_of_run(self, number: int, run: str) -> int | None:
        """Return the index of the branch in which a run claimed a trial, or can claim it."""
        rows = [branch.trials.get(number) for branch in self.branches]
        if all(trial is None for trial in rows):
            return 0
        claimed = (i for i, trial in enumerate(rows) if trial and run in trial.claims)
        index = next(claimed, None)
        if index is None:
            index = next((i for i, t in enumerate(rows) if t and not t.finished), None)
        trial = None if index is None else rows[index]
        return None if trial is None or trial.finished else index

    def branch_of_start(self, event: Event) -> int | None:
        """Return the index of the branch of a start or an end line; add a branch for a conflict.

        None for a duplicate of an end line.
        """
        fields = event.fields
        for index, branch in enumerate(self.branches):
            trial = branch.trials.get(fields["trial"])
            if trial is None:
                return index
            if event.name == "trial_end" and trial.finished:
                if is_duplicate_end_line(trial, fields):
                    return None
            elif trial.datetime_start in (None, fields["datetime_start"]):
                return index
        self.branches.append(LoggedStudy())
        return len(self.branches) - 1

    def describe(self, trial: LoggedTrial, fields: Mapping[str, Any]) -> None:
        """Add the architecture, which each line repeats, to a trial whose start line is lost."""
        if trial.datetime_start is None:
            sizes = {name: fields[name] for name in ARCHITECTURE}
            trial.attributes = {**sizes, **trial.attributes}

    def update(self) -> None:
        """Bring the rows of the study up to date."""
        for number in self.changed:
            self.study.trials[number] = [*self.rows(number)]
        self.changed.clear()

    def rows(self, number: int) -> Iterator[Trial]:
        """Yield the rows of a number: one, unless two copies of the log conflict."""
        for index, branch in enumerate(self.branches):
            for line in self.unparsed.pop((index, number), ()):
                event = line.parse() if isinstance(line, UnparsedEvaluation) else line
                if event and is_valid(event):
                    branch.take(event.name, event.fields)
                    self.describe(branch.trials[number], event.fields)
            if trial := branch.trials.get(number):
                row = as_row(trial, self.study.about)
                if index:
                    row.flags.append(ENDED_TWICE if trial.finished else STARTED_TWICE)
                yield row


def as_row(trial: LoggedTrial, about: Mapping[str, Any]) -> Trial:
    config, conditions = trial.attributes, about.get("conditions") or {}
    searched = [name for name in about.get("search_space") or () if name in config]
    params = {name: config[name] for name in searched if applies(conditions, name, config)}
    metric = str(about.get("metric"))
    curve = {next(iter(point.values())): point for point in trial.curve}
    reported: dict[int, Any] = {step: point.get(metric) for step, point in curve.items()}
    attributes = {name: value for name, value in config.items() if name not in params}
    if trial.finished:
        attributes["learning_curve"] = trial.curve
    return Trial(
        trial.number,
        trial.state,
        () if trial.value is None else (trial.value,),
        as_time(trial.datetime_start),
        as_time(trial.datetime_complete),
        params,
        user_attrs=attributes,
        intermediate_values={n: v for n, v in reported.items() if type(v) in (int, float)},
        curve=curve,
        system_attrs=trial.system_attrs,
        run=trial.claims[-1] if trial.claims else None,
    )


def as_time(text: str | None) -> datetime | None:
    return None if text is None else field_time({"": text}, "")
