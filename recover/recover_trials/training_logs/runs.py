"""Runs of training scripts, and their trials."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from recover_trials.model import (
    MINIMUM_DIFFERS,
    NUMBERED_BY_ORDER,
    STEPS_BACK,
    VALUE_CUT,
    VALUE_MISSING,
    Trial,
)
from recover_trials.optuna_log.literals import parse_literal
from recover_trials.training_logs.line_formats import (
    NAMES,
    NUMBER,
    STEPS,
    Measures,
    is_damaged,
    measures_of,
    number_of,
)

RESULT = re.compile(rf"([A-Za-z][\w./-]*): {{1,20}}({NUMBER})%?")
TEXT = re.compile(r"[A-Za-z][\w./-]*: {1,20}\S.*")  # a result that is no number
FIELD = re.compile(r"    (\w+)(?: ?: ?[\w.\[\]| ]+)? ?= ?(.+?)(?: +#.*)?")
WORD = re.compile(r"(?!(?:True|False|None)$)[A-Za-z_][\w./:-]*")
OVERRIDE = re.compile(r"Overriding: (\w+) = (.+)")
PRODUCT = re.compile(r"\d{1,9}(?: ?\* ?\d{1,9})+")
FAILED = "FAIL"  # the last line of a run of autoresearch that diverged
LONGEST_CONFIG = 500  # lines
EXCEPTION = re.compile(r"(?:[\w.]+\.)?\w*(?:Error|Exception|Interrupt|Exit)\b.*")
# First lines of the parts of a log. nanoGPT prints its configuration file.
PARTS = {
    "results": re.compile(r"-{3,}(?: .* -{3,})?"),
    "class": re.compile(r"class Hyperparameters\b.*"),
    "traceback": re.compile(r"Traceback \(most recent call last\):.*"),
    "config": re.compile(r"(?:Model|User|Training) config: ?(?:\{.*)?"),
    "file": re.compile(r"Overriding config with .+:"),
}
# Names of validation metrics, in the order in which they are taken for the objective.
OBJECTIVES = (
    re.compile(r"val_(?:bpb|loss)"),
    re.compile(r"(?:val|valid|validation|test|eval)_\w*(?:loss|bpb|error|perplexity)"),
    re.compile(r"(?:val|valid|validation|test|eval)_\w+"),
)
LOWER_IS_BETTER = re.compile(r".*(?:loss|bpb|error|perplexity|ppl|nll)(?:_.*)?")
# Quantities that are no objective, and settings that follow from others.
COSTS = {"cost", "elapsed_time", "lrm", "mfu", "learning_rate", "lr", "grad_norm", "norm"}
NO_METRIC = re.compile(rf"memory|vram|runtime|per_second|mean_train_loss|^(?:{'|'.join(STEPS)})$")
DERIVED = {
    "tokens",
    "flops",
    "flops_per_token",
    "param_count",
    "iterations",
    "transformer_matrices",
}
# Settings in the summary at the end of a run.
SUMMARIZED = {"depth", "model_dim", "target_flops", "total_batch_size", *DERIVED}
IS_NAN = "{0} is nan"
MOST_DECIMALS = 8  # of a fixed number; Python prints as many digits as a number needs
FEWEST_POINTS = 3  # of a run without a number of steps
ROUNDING = 1e-4  # of a minimum in the log


@dataclass
class Run:
    """One training run.

    Attributes:
        settings: configuration.
        points: measurements by step.
        results: values after the last step.
        total: number of steps.
        first: step of the first measurement; -1 before it.
        last: step of the last measurement.
        goes_back: whether a step is repeated, or lower than the one before.
        decimals: largest number of digits after the point, by metric and step.
        ended: whether the log has the end of the run.
        error: the exception that ended the run.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    points: dict[int, dict[str, Any]] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    total: int | None = None
    first: int = -1
    last: int = -1
    goes_back: bool = False
    decimals: dict[str, dict[int, int]] = field(default_factory=dict)
    ended: bool = False
    error: str | None = None

    def take_settings(self) -> None:
        """Move the settings of a summary from the results."""
        names = [name for name in self.results if name in SUMMARIZED]
        self.settings |= {name: self.results.pop(name) for name in names}

    @property
    def is_empty(self) -> bool:
        return not (self.points or self.results)


class RunReader:
    """Reads the lines of one log."""

    def __init__(self) -> None:
        self.runs = [Run()]
        self.settings: dict[str, Any] = {}  # of the run whose first step follows
        self.overridden: dict[str, str] = {}
        self.damaged: list[str] = []  # lines of measurements without a number, or cut ones
        self.config: list[str] = []
        self.part = ""  # one of PARTS, while its lines follow

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
        elif is_damaged(line):
            self.damaged.append(line)
        elif line == FAILED:
            self.runs[-1].error = line
        elif match := OVERRIDE.fullmatch(line):
            self.override(match[1], match[2])
        else:
            self.begin_part(line)

    def override(self, name: str, text: str) -> None:
        """Replace a setting of the configuration file; two values of one run are no setting."""
        self.settings.pop(name, None)
        if self.overridden.setdefault(name, text) == text:
            self.add_setting(name, repr(text) if WORD.fullmatch(text) else text)

    def begin_part(self, line: str) -> None:
        """Begin a part of the log if the line does."""
        begins = (part for part, pattern in PARTS.items() if pattern.fullmatch(line))
        self.part = next(begins, "")
        if self.part == "file":
            self.settings, self.overridden = {}, {}
        if self.part == "config":
            self.config = [line[line.find("{") :] if "{" in line else ""]

    def read_part(self, line: str) -> bool:
        """Read a line of a part of the log; return whether it belongs to the part."""
        readers = {
            "results": self.read_result,
            "traceback": self.read_traceback,
            "config": self.read_config,
            "class": self.read_field,
            "file": self.read_assignment,
        }
        belongs = readers[self.part](line)
        self.part = self.part if belongs else ""
        return belongs

    def read_result(self, line: str) -> bool:
        match = RESULT.fullmatch(line)
        if match:
            self.add_result(NAMES.get(match[1], match[1]), number_of(match[2]))
        return match is not None or TEXT.fullmatch(line) is not None

    def read_traceback(self, line: str) -> bool:
        if EXCEPTION.fullmatch(line) and "ChildFailedError" not in line:  # of torchrun
            self.runs[-1].error = line
        return line[:1] in ("", " ")

    def read_config(self, line: str) -> bool:
        self.config.append(line)
        if line == "}":
            self.add_config("".join(self.config))
        return line.startswith((" ", "{")) and len(self.config) < LONGEST_CONFIG

    def read_field(self, line: str) -> bool:
        if match := FIELD.fullmatch(line):
            self.add_setting(match[1], match[2])
        return line[:1] in ("", " ")

    def read_assignment(self, line: str) -> bool:
        is_assignment = FIELD.fullmatch(f"    {line}") and not OVERRIDE.fullmatch(line)
        if is_assignment:
            self.read_field(f"    {line}")
        return bool(is_assignment) or line[:1] in ("", "#") or line.startswith("import ")

    def add_config(self, text: str) -> None:
        """Add the scalars of a configuration in JSON, unless it is damaged."""
        with contextlib.suppress(ValueError, RecursionError):
            config = json.loads(text, object_pairs_hook=unique)
            scalars = (bool, int, float, str)
            self.settings |= {k: v for k, v in config.items() if isinstance(v, scalars)}

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
            self.add_point(run, measures)
        elif measures.kind in ("end", "stop") and run.points:
            self.end(run, measures)
        elif measures.kind == "model":
            self.runs += [row := Run(results=measures.values, ended=True), Run()]
            row.take_settings()
        elif measures.kind == "epoch":
            self.add_record(run, measures)
        elif measures.kind == "metric":
            for name, value in measures.values.items():
                self.add_result(name, value)

    def end(self, run: Run, measures: Measures) -> None:
        """End a run, unless it has so few points that they may be lines of another one."""
        if measures.kind == "stop":
            run.total = measures.step
        elif "epoch" in measures.values:
            run.total = number_of_record(run, measures.values)
        if run.total is None and len(run.points) < FEWEST_POINTS:
            return
        last = run.points.get(run.last, {})
        for name, value in measures.values.items():
            if name not in last or is_cost(name) or value == last[name] or math.isnan(value):
                run.results[name] = value
            else:
                del last[name]  # one of two values that differ is damaged
        run.take_settings()
        run.ended = True

    def add_record(self, run: Run, measures: Measures) -> None:
        """Add measurements at an epoch; an evaluation after the end is a result."""
        values = measures.values
        is_evaluation = all(name.startswith("eval_") or name == "epoch" for name in values)
        if run.ended and is_evaluation and values["epoch"] == run.results.get("epoch"):
            run.results |= values
        else:
            self.add_point(run, measures._replace(step=number_of_record(run, values)))

    def add_point(self, run: Run, measures: Measures) -> None:
        """Add measurements; the first step begins another run if it is repeated.

        Two lines of a step may each have the time so far. Losses before the training are equal in
        all runs.
        """
        point = run.points.get(measures.step, {})
        starts_over = measures.step <= run.first < run.last
        if not starts_over and measures.values.items() <= point.items():
            return  # the line is repeated
        is_repeated = any(name in point and not is_cost(name) for name in measures.values)
        is_rest = not is_repeated and run.last <= measures.step <= (run.total or 0)
        is_first = starts_over or (is_repeated and measures.step <= run.first)
        if run.points and (is_first or (run.ended and not is_rest)):
            run, is_repeated = Run(), False
            self.runs.append(run)
        if not run.points:
            run.settings = self.settings
        self.settings, self.overridden = {}, {}  # those within a run are not of the next one
        run.points.setdefault(measures.step, {}).update(measures.values)
        run.first = measures.step if run.first < 0 else run.first
        run.goes_back |= run.ended or is_repeated or measures.step < run.last
        run.last = measures.step
        iterations = run.settings.get("max_iters") if len(run.points) >= FEWEST_POINTS else None
        run.total = (
            measures.total or run.total or (iterations if type(iterations) is int else None)
        )
        for name, count in measures.decimals.items():
            run.decimals.setdefault(name, {})[measures.step] = count


def number_of_record(run: Run, values: dict[str, Any]) -> int:
    """Return the place of a record among those of a run; 0 if its epoch is an earlier one."""
    point = run.points.get(run.last, {})
    epoch = point.get("epoch", values["epoch"])
    is_repeated = any(
        name in point and point[name] != value and not is_cost(name)
        for name, value in values.items()
    )
    if values["epoch"] < epoch:
        return 0
    return run.last + (values["epoch"] > epoch or is_repeated or run.last < 0)


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the mapping of a JSON object. Raises ValueError if a name occurs twice."""
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError("a name occurs twice")
    return mapping


def is_cost(name: str) -> bool:
    return name in COSTS or name.endswith("_seconds") or NO_METRIC.search(name) is not None


def names_of(runs: list[Run]) -> list[str]:
    """Return the names of all results and measurements."""
    names = dict.fromkeys(name for run in runs for name in run.results)
    names |= dict.fromkeys(name for run in runs for point in run.points.values() for name in point)
    return list(names)


def validation_metric(runs: list[Run]) -> str | None:
    names = names_of(runs)
    found = (
        name
        for pattern in OBJECTIVES
        for name in names
        if pattern.fullmatch(name.replace("/", "_").removeprefix("base.")) and not is_cost(name)
    )
    return next(found, None)


def objective_of(runs: list[Run]) -> str | None:
    """Return the metric that the runs minimize or maximize; None if the log does not show it."""
    if metric := validation_metric(runs):
        return metric
    single = (name for run in runs for name in run.results if not run.points)
    first = next((name for name in single if not NO_METRIC.search(name)), None)
    others = [name for name in names_of(runs) if not is_cost(name)]
    return others[0] if len(others) == 1 else first


def trial_of(run: Run, number: int, objective: str | None) -> Trial:
    """Return the trial of a run; without an end in the log it is running, or failed."""
    name = objective or ""
    reported = {step: point[name] for step, point in run.points.items() if name in point}
    last = max(reported, default=-1)
    is_last = run.total is None or last >= run.total
    value = run.results.get(name, reported.get(last) if is_last else None)
    ended = run.ended or (run.total is not None and is_last)
    trial = Trial(number, "COMPLETE" if ended else "RUNNING", flags=[NUMBERED_BY_ORDER])
    trial.params = {name: v for name, v in run.settings.items() if name not in DERIVED}
    trial.intermediate_values = {step: v for step, v in reported.items() if v == v}
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
    elif reported:
        trial.user_attrs[f"last_{objective}"] = reported[last]
    trial.flags += [STEPS_BACK] * run.goes_back
    digits = dict(run.decimals.get(name, {}))
    decimals = digits.pop(last, 0)
    others = set(digits.values())
    if len(others) == 1 and decimals < min(others) <= MOST_DECIMALS:
        trial.flags.append(VALUE_CUT)
    minimum = run.results.get(f"min_{name}")
    measured = trial.intermediate_values.values()
    if measured and minimum is not None and abs(min(measured) - minimum) > ROUNDING:
        trial.flags.append(MINIMUM_DIFFERS)
    return trial
