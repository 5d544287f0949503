"""Studies of version 2: their lines mean what they mean to the search script itself.

The first branch of a study is the study as its script reads it. A log that was copied and
continued in two places has two starts or two ends of one trial: the second one goes to the next
branch, and becomes a row of its own with a flag.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from hpo_script.machinery.logged_study import NOT_ATTRIBUTES, LoggedStudy, LoggedTrial
from hpo_script.machinery.trial_log import ARCHITECTURE, FIELDS, LOG_EVENTS
from recover_trials.hpogen_log.conditions import applies
from recover_trials.hpogen_log.hpogen_lines import Event, Unread, time_of
from recover_trials.hpogen_log.run_lines import close_run, open_run
from recover_trials.model import ENDED_TWICE, STARTED_TWICE, Study, Trial

TRIAL_EVENTS = [event for event, (head, _) in LOG_EVENTS.items() if "{trial}" in head]
ENDED = ("COMPLETE", "PRUNED", "FAIL")
NOT_AS_WRITTEN = "lines with a valid checksum have other fields than a search script writes"
END = ("state", "value", "datetime_start", "datetime_complete")


def is_version2(event: Event) -> bool:
    """Return whether only a script of version 2 can have written a line."""
    has_curve = isinstance(event.fields.get("learning_curve"), list)
    return has_curve or "log_version" in event.fields or event.name in ("enqueued", "history")


def is_curve(value: object) -> bool:
    """Return whether a value is a learning curve."""
    return isinstance(value, list) and all(
        isinstance(point, dict) and point and isinstance(next(iter(point.values())), int)
        for point in value
    )


def as_written(event: Event) -> bool:
    """Return whether a line has the fields of the table, with values that can be used."""
    name, fields = event.name, event.fields
    if name not in TRIAL_EVENTS:
        return name in LOG_EVENTS
    if not fields.keys() >= {*FIELDS[name]}:
        return False
    starts, ends = name in ("trial_start", "trial_end"), name == "trial_end"
    return (
        is_curve(fields.get("learning_curve", []))
        and isinstance(fields.get("system_attrs", {}), dict)
        and not (starts and time_of(fields, "datetime_start") is None)
        and not (ends and fields["state"] not in ENDED)
        and not (ends and type(fields["value"]) not in (int, float, type(None)))
    )


def same_end(trial: LoggedTrial, fields: Mapping[str, Any]) -> bool:
    """Return whether an end line says of a trial what its own end line said."""
    known = {name: value for name, value in fields.items() if name not in NOT_ATTRIBUTES}
    ours = [getattr(trial, name) for name in END], trial.curve, trial.attributes
    return repr(ours) == repr(([fields[name] for name in END], fields["learning_curve"], known))


class Version2:
    """One study, from the lines of any number of files."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.branches = [LoggedStudy()]
        # Evaluations are read only where nothing replaces them: an end line has the whole curve.
        self.unread: dict[tuple[int, int], list[Event | Unread]] = defaultdict(list)
        self.lines: dict[int, set[Any]] = defaultdict(set)  # known ones of unfinished trials
        self.changed: set[int] = set()  # trials whose rows are out of date

    def add(self, event: Event) -> None:
        """Take an event; flag the study if it is not as a script writes it."""
        if not as_written(event):
            if NOT_AS_WRITTEN not in self.study.flags:
                self.study.flags.append(NOT_AS_WRITTEN)
        elif event.name == "evaluation":
            self.evaluate(event.fields["trial"], event.fields["run"], event)
        elif event.name in TRIAL_EVENTS:
            self.add_to_trial(event)
        elif event.name == "run_start":
            open_run(self.study, event.fields)
            self.changed.update(*(branch.trials for branch in self.branches))
        elif event.name == "run_end":
            close_run(self.study, event.fields)

    def evaluate(self, number: int, run: str, line: Event | Unread) -> None:
        """Keep an evaluation until its trial ends or is shown."""
        index = self.branch_of_run(number, run)
        if index is not None and self.is_new(number, line):
            self.unread[index, number].append(line)
            self.changed.add(number)

    def is_new(self, number: int, line: Event | Unread) -> bool:
        """Return whether a line of an unfinished trial was not read before, from a copy."""
        known = self.lines[number]
        before = len(known)
        if isinstance(line, Unread):
            known.add(line.line)
        else:
            known.add((line.name, line.time, line.fields["run"], line.fields.get("step")))
        return len(known) > before

    def add_to_trial(self, event: Event) -> None:
        """Take the start, the end or another line of a trial."""
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
        if number in branch.changed:  # neither finished nor lost to another run
            self.unread.pop((index, number), None)
            self.changed.add(number)
            self.describe(branch.trials[number], fields)
        if branch.trials[number].finished:
            self.lines.pop(number, None)
            self.study.told.clear()  # another trial may be the best now

    def branch_of_run(self, number: int, run: str) -> int | None:
        """Return the branch in which a run has a trial, or could have it."""
        found = [branch.trials.get(number) for branch in self.branches]
        if all(trial is None for trial in found):
            return 0
        claimed = (i for i, trial in enumerate(found) if trial and run in trial.claims)
        index = next(claimed, None)
        if index is None:
            index = next((i for i, t in enumerate(found) if t and not t.finished), None)
        trial = None if index is None else found[index]
        return None if trial is None or trial.finished else index

    def branch_of_start(self, event: Event) -> int | None:
        """Return the branch of a start or an end, a new one if the others have another.

        None for the repeat of an end.
        """
        fields = event.fields
        for index, branch in enumerate(self.branches):
            trial = branch.trials.get(fields["trial"])
            if trial is None:
                return index
            if event.name == "trial_end" and trial.finished:
                if same_end(trial, fields):
                    return None
            elif trial.datetime_start in (None, fields["datetime_start"]):
                return index
        self.branches.append(LoggedStudy())
        return len(self.branches) - 1

    def describe(self, trial: LoggedTrial, fields: Mapping[str, Any]) -> None:
        """Keep the architecture, which each line has, of a trial whose start line is lost."""
        if trial.datetime_start is None:
            sizes = {name: fields[name] for name in ARCHITECTURE}
            trial.attributes = {**sizes, **trial.attributes}

    def update(self) -> None:
        """Bring the rows of the study up to date."""
        for number in self.changed:
            self.study.trials[number] = [*self.rows(number)]
        self.changed.clear()

    def rows(self, number: int) -> Iterator[Trial]:
        """Yield the rows of a number: one, unless two copies of the log have different ones."""
        for index, branch in enumerate(self.branches):
            for line in self.unread.pop((index, number), ()):
                event = line.read() if isinstance(line, Unread) else line
                if event and as_written(event):
                    branch.take(event.name, event.fields)
                    self.describe(branch.trials[number], event.fields)
            if trial := branch.trials.get(number):
                row = as_row(trial, self.study.about)
                if index:
                    row.flags.append(ENDED_TWICE if trial.finished else STARTED_TWICE)
                yield row


def as_row(trial: LoggedTrial, about: Mapping[str, Any]) -> Trial:
    """Return a trial as recovery has it."""
    known, conditions = trial.attributes, about.get("conditions") or {}
    searched = [name for name in about.get("search_space") or () if name in known]
    params = {name: known[name] for name in searched if applies(conditions, name, known)}
    metric = str(about.get("metric"))
    curve = {next(iter(point.values())): point for point in trial.curve}
    reported = {step: point.get(metric) for step, point in curve.items()}
    attributes = {name: value for name, value in known.items() if name not in params}
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
    """Return a time of a line."""
    return None if text is None else time_of({"": text}, "")
