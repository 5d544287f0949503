"""Grids: the rendered script of a budget, and its configurations as points of a unit cube."""

from __future__ import annotations

import functools
import math
import runpy
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpogen.rendering.render import render
from hpogen.spec import make_spec

BUDGETS = ("2M", "20M", "200M", "2B")
AXES = ("d_model", "n_layers", "n_heads")
SIZES = ("aspect", "d_ff", "n_heads")
FEATURES = (*SIZES, "learning_rate", "weight_decay", "dropout", "epochs", "warmup_steps")
Points = NDArray[np.float64]  # (configurations, features), each from 0 to 1
Config = dict[str, Any]  # arch_idx and the value of each other searched parameter


class Grid:
    """The script of one budget: its architectures, its search space and its own sampler."""

    def __init__(self, budget: str, *overrides: str) -> None:
        self.budget = budget
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "script.py")
            path.write_text(render(make_spec(budget=budget, horizon=1, overrides=overrides)))
            self.script = runpy.run_path(str(path))
        self.rows = self.script["ARCHITECTURES"]
        self.extremes = self.script["EXTREME_INDICES"]
        self.searched = self.script["SEARCH_SPACE"]
        columns = [
            [math.log2(row["d_model"] / row["n_layers"]) for row in self.rows],
            [row["d_ff"] / row["d_model"] for row in self.rows],
            [math.log2(row["n_heads"]) for row in self.rows],
        ]
        self.sizes = np.stack([to_unit(column) for column in columns], axis=1)

    def point(self, config: Config) -> Points:
        """Return the features of a configuration."""
        rest = [unit_of(self.searched[name], config[name]) for name in FEATURES[len(SIZES) :]]
        return np.array([*self.sizes[config["arch_idx"]], *rest])

    def config(self, arch_idx: int, point: Points) -> Config:
        """Return the configuration of an architecture and the other features."""
        rest = {
            name: value_at(self.searched[name], float(place))
            for name, place in zip(FEATURES[len(SIZES) :], point[len(SIZES) :], strict=True)
        }
        return {"arch_idx": arch_idx, **rest}

    def random_points(self, count: int, chance: np.random.Generator) -> Points:
        """Return random configurations, every architecture equally likely."""
        points = chance.random((count, len(FEATURES)))
        points[:, : len(SIZES)] = self.sizes[chance.integers(len(self.rows), size=count)]
        for place, name in enumerate(FEATURES):
            if choices := self.searched.get(name, {}).get("choices"):
                points[:, place] = chance.integers(len(choices), size=count) / (len(choices) - 1)
        return points

    def ends_of(self, arch_idx: int) -> set[tuple[str, str]]:
        """Return the ends of the axes at which an architecture is."""
        found = set()
        for axis in AXES:
            values = [row[axis] for row in self.rows]
            for name, end in (("min", min(values)), ("max", max(values))):
                if self.rows[arch_idx][axis] == end:
                    found.add((name, axis))
        return found


@functools.cache
def grid_of(budget: str, *overrides: str) -> Grid:
    """Return the grid of a budget; `overrides` are KEY=VALUE as in --set."""
    return Grid(budget, *overrides)


def to_unit(values: list[float]) -> Points:
    """Return values moved to 0..1."""
    low, high = min(values), max(values)
    return np.array([(value - low) / (high - low) for value in values])


def unit_of(table: dict[str, Any], value: Any) -> float:
    """Return the place of a parameter's value in its range, from 0 to 1."""
    if table["type"] == "categorical":
        return float(table["choices"].index(value) / (len(table["choices"]) - 1))
    scale = math.log if table["log"] else float
    low, high = scale(table["low"]), scale(table["high"])
    return float((scale(value) - low) / (high - low))


def value_at(table: dict[str, Any], place: float) -> Any:
    """Return the value at a place of a parameter's range."""
    if table["type"] == "categorical":
        return table["choices"][round(place * (len(table["choices"]) - 1))]
    low, high = table["low"], table["high"]
    if not table["log"]:
        return low + place * (high - low)
    return min(high, max(low, math.exp(math.log(low) + place * math.log(high / low))))
