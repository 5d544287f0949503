"""Costs of trials: time, speed, memory, arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import NamedTuple

from hpogen.report.view import StudyView
from hpogen.report.words import count, data_size, duration, finite
from recover_trials import Trial


class Cost(NamedTuple):
    """A kind of cost: its title, the unit of its axis, its value per trial, how it is written."""

    title: str
    unit: str
    values: list[tuple[Trial, float]]
    written: Callable[[float], str]
    adds_up: bool


def costs_of(view: StudyView) -> list[Cost]:
    """Return the costs that a log holds."""
    kinds: list[tuple[str, str, Callable[[Trial], float | None], Callable[[float], str], bool]] = [
        ("Time", "s", seconds_of, duration, True),
        ("Speed", "samples/s", attribute("samples_per_second"), count, False),
        ("Peak memory", "B", attribute("peak_memory_bytes"), data_size, False),
        ("Arithmetic", "FLOP", attribute("train_flops"), count, True),
    ]
    found = []
    for title, unit, value_of, written, adds_up in kinds:
        values = [(t, v) for t in view.study.rows if (v := value_of(t)) is not None and v >= 0]
        if values:
            found.append(Cost(title, unit, values, written, adds_up))
    return found


def attribute(name: str) -> Callable[[Trial], float | None]:
    """Return the reader of an attribute."""
    return lambda trial: finite(trial.user_attrs.get(name))


def seconds_of(trial: Trial) -> float | None:
    """Return the seconds of a trial: of training, or from start to end."""
    seconds = finite(trial.user_attrs.get("seconds"))
    if seconds is not None or trial.datetime_start is None or trial.datetime_complete is None:
        return seconds
    return (trial.datetime_complete - trial.datetime_start).total_seconds()


def cost_lines(view: StudyView) -> list[list[str]]:
    """Return a line per kind of cost: title, median, range, sum."""
    lines = []
    for cost in costs_of(view):
        values = [value for _, value in cost.values]
        low, high = cost.written(min(values)), cost.written(max(values))
        total = cost.written(sum(values)) if cost.adds_up else ""
        unit = f" ({cost.unit})" if cost.written is count else ""
        lines.append(
            [f"{cost.title}{unit}", cost.written(median(values)), f"{low} to {high}", total]
        )
    return lines
