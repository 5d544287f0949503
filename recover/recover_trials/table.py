"""From events to studies: a fold without input or output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hpo_script.trial_log import IDENTITY, SHORT_NAMES
from recover_trials.optuna_lines import Created, Result
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

    @property
    def rows(self) -> list[Trial]:
        """Return every trial, by number; a number told in two ways has two."""
        return [trial for number in sorted(self.trials) for trial in self.trials[number]]

    @property
    def best(self) -> Trial | None:
        """Return the best finished trial; None without one, or without one value to compare."""
        finished = [t for t in self.rows if t.state == "COMPLETE" and t.value is not None]
        sign = -1 if self.about.get("direction") == "maximize" else 1
        return min(finished, key=lambda t: sign * (t.value or 0.0), default=None)

    def trial(self, number: int) -> Trial:
        """Return the trial of a number, new if need be."""
        return self.trials.setdefault(number, [Trial(number)])[-1]

    def counts(self) -> dict[str, int]:
        """Return how many trials are in each state."""
        return dict(Counter(trial.state for trial in self.rows))

    def gaps(self) -> list[int]:
        """Return the numbers below the highest of which no line was found."""
        return [n for n in range(max(self.trials, default=-1)) if n not in self.trials]


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
                lines.append(f"  no line of trials {', '.join(map(str, gaps))}")
            lines += [
                f"  trial {trial.number}: {flag}" for trial in study.rows for flag in trial.flags
            ]
        return lines + self.problems


class Fold:
    """Takes events in the order of their lines; keeps what they say of each study."""

    def __init__(self) -> None:
        self.studies: dict[str, Study] = {}
        self.current: Study | None = None
        self.source = ""
        self.n_foreign = 0

    def open_source(self, name: str) -> None:
        """Begin a file: what is known of its study begins anew."""
        self.source, self.current = name, None

    def add(self, event: Event) -> None:
        """Take an event of a search script's log."""
        key = event.fields["study"]
        study = self.studies.setdefault(key, Study(key, key, self.source))
        self.current = study
        if event.name == "run_start":
            study.about.update(event.fields)
            study.name = event.fields.get("name", key)
        elif event.name == "trial_start":
            self.start(study, event.fields)
        elif event.name == "evaluation":
            self.evaluate(study, event.fields)
        elif event.name == "trial_end":
            self.end(study, event.fields)

    def start(self, study: Study, fields: Mapping[str, Any]) -> None:
        """A trial started; one that started before goes on, or is told again."""
        trial = study.trial(fields["trial"])
        trial.datetime_start = datetime.fromisoformat(fields["datetime_start"])
        self.describe(study, trial, fields)

    def describe(self, study: Study, trial: Trial, fields: Mapping[str, Any]) -> None:
        """Sort the fields of a trial's line into parameters and attributes."""
        searched = study.about.get("search_space", {})
        for short, value in fields.items():
            if short in STRUCTURE:
                continue
            name = LONG_NAMES.get(short, short)
            (trial.params if name in searched else trial.user_attrs)[name] = value

    def evaluate(self, study: Study, fields: Mapping[str, Any]) -> None:
        """A trial was evaluated; the last telling of a step counts."""
        trial = study.trial(fields["trial"])
        metrics = {name: v for name, v in fields.items() if name not in CURVE_STRUCTURE}
        trial.curve[fields["step"]] = {fields["unit"]: fields["step"], **metrics}
        metric = study.about.get("metric")
        if metric in metrics:
            trial.intermediate_values[fields["step"]] = metrics[metric]

    def end(self, study: Study, fields: Mapping[str, Any]) -> None:
        """A trial ended; the same end told twice is one, another end is kept and flagged."""
        trial = study.trial(fields["trial"])
        value = fields["value"]
        end = (fields["state"], () if value is None else (value,))
        if trial.state != "RUNNING" and (trial.state, trial.values) != end:
            trial = Trial(trial.number, flags=["ended twice, in different ways"])
            study.trials[trial.number].append(trial)
        trial.state, trial.values = end
        trial.datetime_start = datetime.fromisoformat(fields["datetime_start"])
        trial.datetime_complete = datetime.fromisoformat(fields["datetime_complete"])
        self.describe(study, trial, fields)
        trial.user_attrs["learning_curve"] = [trial.curve[step] for step in sorted(trial.curve)]

    def add_created(self, created: Created) -> None:
        """Take Optuna's line about a new study."""
        self.new_foreign(created.name)

    def new_foreign(self, name: str) -> Study:
        """Open a study of which only Optuna's lines are known."""
        self.n_foreign += 1
        key = f"{self.source}#{self.n_foreign}"
        self.current = self.studies[key] = Study(key, name or self.source, self.source)
        return self.current

    def add_result(self, result: Result) -> None:
        """Take Optuna's line about a trial's end.

        In a search script's log it repeats the script's own line, and counts where that is lost.
        """
        study = self.current or self.new_foreign("")
        trial = study.trial(result.number)
        if trial.state != "RUNNING":
            same = (trial.state, trial.values) == (result.state, result.values)
            if "metric" in study.about or trial.state == result.state == "FAIL" or same:
                return
            trial = Trial(result.number, flags=["told twice, in different ways"])
            study.trials[result.number].append(trial)
        trial.state, trial.values = result.state, result.values
        trial.datetime_complete = result.time
        trial.params.update(result.params)
        if result.error:
            trial.user_attrs.setdefault("error", result.error)
        if not result.params_whole:
            trial.flags.append("parameters cut short")
