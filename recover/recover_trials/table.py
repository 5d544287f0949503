"""From events to studies: a fold without input or output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from hpo_script.trial_log import IDENTITY, SHORT_NAMES
from recover_trials.optuna_lines import Opened, Result
from recover_trials.own_log import Event

LONG_NAMES = {short: name for name, short in SHORT_NAMES.items()}
# What a line says of itself; the other fields of a trial's lines are parameters or attributes.
STRUCTURE = {*IDENTITY, "trial", "state", "value", "datetime_start", "datetime_complete"}
CURVE_STRUCTURE = {
    *(*IDENTITY, "trial", "unit", "step"),
    *("arch_idx", "d_model", "n_layers", "n_heads", "d_ff", "params"),
}


@dataclass
class Trial:
    """A started trial, as the study has it."""

    number: int
    state: str = "RUNNING"
    values: tuple[float, ...] = ()
    datetime_start: datetime | None = None
    datetime_complete: datetime | None = None
    params: dict[str, Any] = field(default_factory=dict)
    user_attrs: dict[str, Any] = field(default_factory=dict)
    intermediate_values: dict[int, float] = field(default_factory=dict)
    curve: dict[int, dict[str, Any]] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    run: str | None = None  # that started it
    end: str | None = None  # as its own line tells it, to know a repeat from another end

    @property
    def value(self) -> float | None:
        """Return the value; None while there is none, or several."""
        return self.values[0] if len(self.values) == 1 else None


@dataclass
class Study:
    """The trials of one study, by number."""

    key: str
    name: str
    source: str
    about: dict[str, Any] = field(default_factory=dict)
    trials: dict[int, list[Trial]] = field(default_factory=dict)
    told_best: int | None = None  # by Optuna, whose lines do not tell the direction

    @property
    def rows(self) -> list[Trial]:
        """Return every trial, by number; a number told in two ways has two."""
        return [trial for number in sorted(self.trials) for trial in self.trials[number]]

    @property
    def best(self) -> Trial | None:
        """Return the best finished trial.

        None without one, without one value to compare, or if nothing tells the direction.
        """
        finished = [t for t in self.rows if t.state == "COMPLETE" and t.value is not None]
        if "direction" not in self.about:
            return next((trial for trial in finished if trial.number == self.told_best), None)
        sign = -1 if self.about["direction"] == "maximize" else 1
        return min(finished, key=lambda t: sign * (t.value or 0.0), default=None)

    def trial(self, number: int, start: datetime | None, run: str | None = None) -> Trial:
        """Return the trial of a number; a number that was started twice has two."""
        told = self.trials.setdefault(number, [])
        for trial in told:
            if agree(trial.datetime_start, start) and agree(trial.run, run):
                return trial
        told.append(Trial(number, flags=["number started twice"] if told else []))
        return told[-1]

    def counts(self) -> dict[str, int]:
        """Return how many trials are in each state."""
        return dict(Counter(trial.state for trial in self.rows))

    def gaps(self) -> list[range]:
        """Return the numbers below the highest of which no line was found."""
        numbers = sorted(self.trials)
        between = zip([-1, *numbers], numbers, strict=False)
        return [range(low + 1, high) for low, high in between if high - low > 1]


@dataclass
class Recovery:
    """Everything that was found, and what was not right."""

    studies: list[Study] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def report(self) -> list[str]:
        """Return the integrity report, a line each."""
        lines = []
        for study in self.studies:
            counts = ", ".join(f"{n} {state}" for state, n in sorted(study.counts().items()))
            best = study.best
            found = f"; best trial {best.number}: {best.value}" if best else ""
            lines.append(f"{study.name} ({study.source}): {counts}{found}")
            if gaps := study.gaps():
                spans = [str(g[0]) if len(g) == 1 else f"{g[0]}-{g[-1]}" for g in gaps]
                lines.append(f"  no line of trials {', '.join(spans)}")
            lines += [
                f"  trial {trial.number}: {flag}" for trial in study.rows for flag in trial.flags
            ]
        return lines + self.problems


def agree(known: object, told: object) -> bool:
    """Tell whether two values are the same as far as they are known."""
    return known is None or told is None or known == told


def time_of(fields: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time as the study has it; None if it is not known."""
    try:
        return datetime.fromisoformat(fields[name]).replace(tzinfo=None)
    except (KeyError, TypeError, ValueError):
        return None


class Fold:
    """Takes events in the order of their lines; keeps what they say of each study."""

    def __init__(self) -> None:
        self.studies: dict[str, Study] = {}
        self.current: Study | None = None
        self.ours: set[str] = set()
        self.source, self.stamped = "", False
        self.foreign: list[Study] = []

    def open_source(self, name: str) -> None:
        """Begin a file: what is known of its studies begins anew."""
        self.source, self.stamped, self.current, self.ours = name, False, None, set()

    def add(self, event: Event) -> None:
        """Take an event of a search script's log."""
        key = event.fields["study"]
        study = self.studies.setdefault(key, Study(key, key, self.source))
        self.current = study
        self.ours.add(key)
        if event.name == "run_start":
            study.about.update(event.fields)
            study.name = str(event.fields.get("name", key))
        elif event.name == "trial_start":
            self.start(study, event.fields)
        elif event.name == "evaluation":
            self.evaluate(study, event.fields)
        elif event.name == "trial_retry":
            study.trial(event.fields["trial"], None, event.fields["run"]).curve.clear()
        elif event.name == "trial_end":
            self.end(study, event.fields)

    def start(self, study: Study, fields: Mapping[str, Any]) -> None:
        """A trial started; one that started before goes on, or is told again."""
        start = time_of(fields, "datetime_start")
        trial = study.trial(fields["trial"], start, fields["run"])
        trial.datetime_start, trial.run = start, fields["run"]
        self.describe(study, trial, fields)

    def describe(self, study: Study, trial: Trial, fields: Mapping[str, Any]) -> None:
        """Sort the fields of a trial's line into parameters and attributes."""
        searched = study.about.get("search_space") or {}
        for short, value in fields.items():
            if short in STRUCTURE:
                continue
            name = LONG_NAMES.get(short, short)
            (trial.params if name in searched else trial.user_attrs)[name] = value

    def evaluate(self, study: Study, fields: Mapping[str, Any]) -> None:
        """A trial was evaluated.

        A step told again begins the curve anew from there (memory ran out, and it was tried again
        with less), but the study keeps the first value of a step.
        """
        trial = study.trial(fields["trial"], None, fields["run"])
        trial.run, step = fields["run"], fields["step"]
        metrics = {name: v for name, v in fields.items() if name not in CURVE_STRUCTURE}
        while trial.curve and next(reversed(trial.curve)) >= step:
            trial.curve.popitem()
        trial.curve[step] = {fields["unit"]: step, **metrics}
        metric = study.about.get("metric")
        if metric in metrics:
            trial.intermediate_values.setdefault(step, metrics[metric])

    def end(self, study: Study, fields: Mapping[str, Any]) -> None:
        """A trial ended; the same end told twice is one, another end is kept and flagged."""
        trial = study.trial(fields["trial"], time_of(fields, "datetime_start"))
        end = repr(sorted((name, fields[name]) for name in fields if name != "run"))
        told = study.trials[trial.number]
        if not agree(trial.end, end):
            if any(other.end == end for other in told):
                return
            trial = replace(
                trial, params={}, user_attrs={}, flags=["ended twice, in different ways"]
            )
            told.append(trial)
        value = fields.get("value")
        trial.state, trial.end = str(fields.get("state")), end
        trial.values = (value,) if isinstance(value, (int, float)) else ()
        trial.datetime_start = time_of(fields, "datetime_start")
        trial.datetime_complete = time_of(fields, "datetime_complete")
        self.describe(study, trial, fields)
        trial.user_attrs["learning_curve"] = [trial.curve[step] for step in sorted(trial.curve)]

    def open_study(self, opened: Opened) -> None:
        """Take Optuna's line about a study that is created or continued."""
        known = [study for study in self.foreign if study.name == opened.name]
        if opened.existing and known:
            self.current = known[-1]
        else:
            self.new_foreign(opened.name)

    def new_foreign(self, name: str) -> Study:
        """Open a study of which only Optuna's lines are known."""
        key = f"{self.source}#{len(self.foreign) + 1}"
        self.current = self.studies[key] = Study(key, name or self.source, self.source)
        self.foreign.append(self.current)
        return self.current

    def add_result(self, result: Result) -> None:
        """Take Optuna's line about a trial's end.

        In a search script's log it repeats the script's own line, and counts where that is lost.
        """
        self.stamped |= result.time is not None
        if self.stamped and result.time is None:
            return  # quoted, in a traceback say
        study = self.current or self.new_foreign("")
        ours = study.key in self.ours
        if ours and len(self.ours) > 1:
            return  # lines of several studies are mixed: nothing tells whose this one is
        study.told_best = study.told_best if result.best is None else result.best
        told = study.trials.setdefault(result.number, [])
        if not told or told[-1].state != "RUNNING":
            if told and (ours or any(repeats(trial, result) for trial in told)):
                return
            flags = ["told twice, in different ways"] if told else []
            told.append(Trial(result.number, flags=flags))
        trial = told[-1]
        trial.state, trial.values = result.state, result.values
        trial.datetime_complete = result.time
        trial.params.update(result.params)
        if result.error:
            trial.user_attrs.setdefault("error", result.error)
        if not result.params_whole:
            trial.flags.append("parameters cut short")


def repeats(trial: Trial, result: Result) -> bool:
    """Tell whether Optuna's line tells of a trial what is known; it tells a failure twice."""
    if trial.state == result.state == "FAIL" and not result.params:
        return True
    known = (trial.state, trial.values, trial.datetime_complete, repr(trial.params))
    return known == (result.state, result.values, result.time, repr(result.params))
