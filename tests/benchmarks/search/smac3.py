"""SMAC3, where its package is installed."""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

from .grids import Config, Grid

FAILED = 5.0  # cost of a trial that failed: far above the median


def never(config: Any, seed: int = 0) -> float:
    """Stand for the function that SMAC would call: here it is asked and told."""
    raise NotImplementedError


class Smac:
    """SMAC3's facade for hyper-parameters, over the script's space."""

    def __init__(self, grid: Grid, seed: int, trials: int = 50) -> None:
        import ConfigSpace
        import smac

        self.grid = grid
        space = ConfigSpace.ConfigurationSpace(seed=seed)
        for name, table in grid.script["searched"]().items():
            space.add(smac_parameter(ConfigSpace, name, table))
        folder = tempfile.mkdtemp(prefix="smac-")
        scenario = smac.Scenario(
            space, n_trials=trials, seed=seed, deterministic=True, output_directory=Path(folder)
        )
        facade = smac.HyperparameterOptimizationFacade
        self.smac = facade(
            scenario,
            target_function=never,
            logging_level=False,
            initial_design=facade.get_initial_design(scenario, n_configs=10),
        )
        shutil.rmtree(folder)

    def ask(self) -> Config:
        from smac.runhistory.dataclasses import TrialValue

        self.value_of = TrialValue
        self.info = self.smac.ask()
        found = dict(self.info.config)
        return {**found, "arch_idx": self.grid.script["SPACE"].decode(found)}

    def report(self, step: int, value: float) -> bool:
        del step, value
        return False

    def tell(self, value: float, *, pruned: bool) -> None:
        del pruned
        failed = math.isnan(value)
        self.smac.tell(self.info, self.value_of(cost=FAILED if failed else value), save=False)


def smac_parameter(space: Any, name: str, table: dict[str, Any]) -> Any:
    """Return a parameter of ConfigSpace."""
    if table["type"] == "categorical":
        return space.CategoricalHyperparameter(name, table["choices"])
    kind = {"int": "UniformIntegerHyperparameter", "float": "UniformFloatHyperparameter"}
    return getattr(space, kind[table["type"]])(
        name, table["low"], table["high"], log=table.get("log", False)
    )
