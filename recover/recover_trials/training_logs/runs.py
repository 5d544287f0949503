"""Runs of training scripts, and their trials."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from recover_trials.model import VALUE_MISSING, Trial
from recover_trials.optuna_log.literals import parse_literal
from recover_trials.training_logs.measures import NAMES, NUMBER, Measures, measures_of, number_of

RULE = re.compile(r"-{3,}(?: .* -{3,})?")
RESULT = re.compile(rf"([a-z]\w*): {{1,20}}({NUMBER})%?")
CLASS = re.compile(r"class Hyperparameters\b.*")
FIELD = re.compile(r"    (\w+)(?: ?: ?[\w.\[\]| ]+)? ?= ?(.+?)(?: +#.*)?")
PRODUCT = re.compile(r"\d{1,9}(?: ?\* ?\d{1,9})+")
CONFIG = re.compile(r"(?:Model|User|Training) config: ?(\{.*)?")
CONFIG_ITEM = re.compile(r' *"(\w+)": (.+?),?')
EXCEPTION = re.compile(r"(?:[\w.]+\.)?\w*(?:Error|Exception|Interrupt|Exit)\b.*")
TRACEBACK = "Traceback (most recent call last):"
# Names of validation metrics, in the order in which they are taken for the objective.
OBJECTIVES = (
    re.compile(r"val_(?:bpb|loss)"),
    re.compile(r"(?:val|valid|validation|test|eval)_\w*(?:loss|bpb|error|perplexity)"),
    re.compile(r"(?:val|valid|validation|test|eval)_\w+"),
)
LOWER_IS_BETTER = re.compile(r".*(?:loss|bpb|error|perplexity|ppl|nll)(?:_.*)?")
# Quantities that are no objective, and settings that follow from others.
COSTS = {"train_seconds", "cost", "peak_memory_mib", "tokens_per_second", "lrm", "dt_seconds"}
DERIVED = {
    "tokens",
    "flops",
    "flops_per_token",
    "param_count",
    "iterations",
    "transformer_matrices",
}
IS_NAN = "{0} is nan"


@dataclass
class Run:
    """One training run.

    Attributes:
        settings: configuration.
        points: measurements by step.
        results: values after the last step.
        total: number of steps.
        last: step of the last measurement; -1 before the first.
        ended: whether the log has the end of the run.
        error: the exception that ended the run.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    points: dict[int, dict[str, Any]] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    total: int | None = None
    last: int = -1
    ended: bool = False
    error: str | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.points or self.results)


class RunReader:
    """Reads the lines of one log."""

    def __init__(self) -> None:
        self.runs = [Run()]
        self.settings: dict[str, Any] = {}  # of the run whose first step follows
        self.without_number: list[str] = []  # lines of metrics without a number
        self.part = ""  # `class`, `config`, `results` or `traceback`, while its lines follow

    def read(self, lines: Iterable[str]) -> list[Run]:
        """Return the runs of the lines."""
        for line in lines:
            if not (self.part and self.read_part(line)):
                self.read_line(line)
        return [run for run in self.runs if not run.is_empty]

    def read_line(self, line: str) -> None:
        measures = measures_of(line)
        if measures:
            self.add(measures)
        elif line.startswith(("METRIC ", "[tune-metric]")):
            self.without_number.append(line)
        elif RULE.fullmatch(line):
            self.part = "results"
        elif CLASS.fullmatch(line):
            self.part = "class"
        elif line.startswith(TRACEBACK):
            self.part = "traceback"
        elif match := CONFIG.fullmatch(line):
            self.part = "config"
            if match[1]:
                self.settings |= dict(CONFIG_ITEM.findall(match[1]))

    def read_part(self, line: str) -> bool:
        """Read a line of a part of the log; return whether it belongs to the part."""
        if self.part == "results" and (match := RESULT.fullmatch(line)):
            self.add_result(NAMES.get(match[1], match[1]), number_of(match[2]))
            return True
        if self.part == "traceback":
            if match := EXCEPTION.fullmatch(line):
                self.runs[-1].error = line
                self.part = ""
            return line.startswith(" ") or match is not None
        pattern = {"class": FIELD, "config": CONFIG_ITEM}.get(self.part)
        if pattern and (match := pattern.fullmatch(line)):
            self.add_setting(match[1], match[2])
            return True
        if pattern and (line in ("", "{") or line.startswith(" ")):
            return True
        self.part = ""
        return False

    def add_setting(self, name: str, text: str) -> None:
        if PRODUCT.fullmatch(text):
            self.settings[name] = math.prod(int(part) for part in text.split("*"))
        elif (value := parse_literal(text)) is not None:
            self.settings[name] = value

    def add_result(self, name: str, value: Any) -> None:
        """Add a value that a run has once; a repetition begins another run."""
        if name in self.runs[-1].results and self.runs[-1].ended:
            self.runs.append(Run())
        self.runs[-1].results[name] = value
        self.runs[-1].ended = True

    def add(self, measures: Measures) -> None:
        run = self.runs[-1]
        if measures.kind == "setting":
            self.settings |= measures.values
        elif measures.kind == "step":
            if measures.step < run.last or (run.ended and measures.step <= run.last):
                run = Run()
                self.runs.append(run)
            run.settings, self.settings = {**run.settings, **self.settings}, {}
            run.points.setdefault(measures.step, {}).update(measures.values)
            run.last, run.total = measures.step, measures.total or run.total
        else:
            for name, value in measures.values.items():
                self.add_result(name, value)


def objective_of(runs: list[Run]) -> str | None:
    """Return the metric that the runs minimize or maximize; None if the log does not show it."""
    names = dict.fromkeys(name for run in runs for name in run.results)
    names |= dict.fromkeys(name for run in runs for point in run.points.values() for name in point)
    for pattern in OBJECTIVES:
        found = [name for name in names if pattern.fullmatch(name.replace("/", "_"))]
        if found:
            return found[0]
    first = next((name for run in runs for name in run.results if not run.points), None)
    others = [name for name in names if name not in COSTS]
    return others[0] if len(others) == 1 else first


def trial_of(run: Run, number: int, objective: str | None) -> Trial:
    """Return the trial of a run; without an end in the log it is running, or failed."""
    reported = (
        {step: point[objective] for step, point in run.points.items() if objective in point}
        if objective
        else {}
    )
    last_step = max(reported, default=-1)
    value = run.results.get(objective or "", reported.get(last_step))
    ended = run.ended or (run.total is not None and last_step >= run.total)
    trial = Trial(number, "COMPLETE" if ended else "RUNNING")
    trial.params = {name: v for name, v in run.settings.items() if name not in DERIVED}
    trial.intermediate_values = {step: value for step, value in reported.items() if value == value}
    costs = (point for point in run.points.values() if "train_seconds" in point)
    seconds = max((point["train_seconds"] for point in costs), default=None)
    trial.user_attrs = {name: v for name, v in run.settings.items() if name in DERIVED}
    trial.user_attrs |= {} if seconds is None else {"train_seconds": seconds}
    trial.user_attrs |= {name: v for name, v in run.results.items() if name != objective}
    if run.points:
        curve = [{"step": step, **run.points[step]} for step in sorted(run.points)]
        trial.user_attrs["learning_curve"] = curve
    if run.error and not ended:
        trial.state, trial.user_attrs["error"] = "FAIL", run.error
    elif ended and value is not None and math.isnan(value):
        trial.state, trial.user_attrs["error"] = "FAIL", IS_NAN.format(objective)
    elif ended:
        trial.values = () if value is None else (float(value),)
        trial.flags += [VALUE_MISSING] * (value is None)
    elif value is not None:
        trial.user_attrs[f"last_{objective}"] = value
    return trial
