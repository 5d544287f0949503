"""Output of a recovery: tables, files and Optuna storages, a function per file format."""

from __future__ import annotations

from collections.abc import Callable

from recover_trials.output.all_trials import to_all_trials
from recover_trials.output.best_config import to_best_config
from recover_trials.output.csv_json import to_csv, to_json, to_jsonl
from recover_trials.output.parquet import to_parquet
from recover_trials.output.table import to_table
from recover_trials.recovery_report import Recovery

WRITERS: dict[str, Callable[[Recovery], str | bytes]] = {
    "table": to_table,
    "csv": to_csv,
    "json": to_json,
    "jsonl": to_jsonl,
    "parquet": to_parquet,
    "all_trials": to_all_trials,
    "best_config": to_best_config,
}

__all__ = [
    "WRITERS",
    "to_all_trials",
    "to_best_config",
    "to_csv",
    "to_json",
    "to_jsonl",
    "to_parquet",
    "to_table",
]
