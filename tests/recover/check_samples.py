"""Print the trials recovered from a folder of logs beside the trials in its index.json.

python tests/recover/check_samples.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from recover_trials import Recovery, Study, read_trials

COUNTED = {"n_finished": "COMPLETE", "n_pruned": "PRUNED", "n_failed": "FAIL"}
# The index was counted with grep, which also counts a sentence that quotes "Trial 5 pruned."
COUNTED_WRONG = {"s22_optuna_v2.0_pruning.rst": {"n_pruned": 3}}


def best_of(study: Study) -> tuple[int, float] | None:
    """Return number and value of the best trial, whose end line may be missing."""
    best = study.best
    if best is not None and best.value is not None:
        return best.number, best.value
    return study.named_best


def in_shape_of_index(recovery: Recovery, expected: dict[str, Any]) -> dict[str, Any]:
    """Return the counts and the best trial of a recovery, as the index has them.

    The index has the best trial of the last study, or a list with the best trial of every study.
    """
    counts = [study.counts() for study in recovery.studies]
    counted: dict[str, Any] = {
        name: sum(count.get(state, 0) for count in counts) for name, state in COUNTED.items()
    }
    bests = [best for study in recovery.studies if (best := best_of(study))]
    numbers, values = [best[0] for best in bests], [best[1] for best in bests]
    if not isinstance(expected["best_trial"], list):
        number = numbers[-1] if numbers else None
        return {**counted, "best_trial": number, "best_value": values[-1] if values else None}
    return {**counted, "best_trial": numbers, "best_value": values}


def main() -> None:
    """Print the table; exit with 1 if anything differs."""
    folder = Path(sys.argv[1])
    table = Table("file", "studies", "finished", "pruned", "failed", "best", "flags", "exact")
    wrong = 0
    for sample in json.loads((folder / "index.json").read_text())["samples"]:
        recovery = read_trials([folder / sample["file"]])
        expected = {**sample["expected"], **COUNTED_WRONG.get(sample["file"], {})}
        counted = in_shape_of_index(recovery, expected)
        exact = counted == expected
        wrong += not exact
        counts = [str(counted[name]) for name in COUNTED]
        best = f"{counted['best_trial']}: {counted['best_value']}"
        flags = str(len(recovery.conflicts))
        row = [sample["file"], str(len(recovery.studies)), *counts, best, flags]
        table.add_row(*row, "yes" if exact else f"NO: {expected}")
    Console(width=200).print(table)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
