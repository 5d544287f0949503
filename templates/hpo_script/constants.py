"""Constants of a script, for the parts to be checked and tested on their own.

A rendered script has the values of its own specification under these names instead.
"""

from __future__ import annotations

from typing import Any, Literal

NAME = "hpo_2M_h1"
BUDGET = 2_000_000
TOLERANCE = 0.25
TASK = "threshold_1pct"
METRIC = "val_loss"
DIRECTION: Literal["minimize", "maximize"] = "minimize"
SECOND_METRIC = "ece"
SECOND_DIRECTION: Literal["minimize", "maximize"] = "minimize"
N_TRIALS = 50
N_NOISE = 3
N_CONFIRM = 0
TIMEOUT_HOURS: float | None = None
SEED = 42
SEEDS = [1, 2, 3]
DATA_PATH = "data/sp500.csv"
SEARCH_SPACE: dict[str, dict[str, Any]] = {}
CONDITIONS: dict[str, dict[str, list[Any]]] = {}
FIXED_PARAMS: dict[str, Any] = {}
SAMPLER: dict[str, Any] = {"type": "RandomSampler"}
PRUNER: dict[str, Any] = {"type": "NopPruner"}
FREE_AXES = ["n_heads"]
ARCHITECTURES = [{"d_model": 64, "n_layers": 2, "n_heads": 2, "d_ff": 256, "params": 111_297}]
EXTREME_INDICES: dict[int, str] = {}
SKIP_INDICES: list[int] = []
WARM_START: list[dict[str, Any]] = []
HPOGEN = "0"
MODULES = ["numpy", "optuna", "pandas", "torch"]
