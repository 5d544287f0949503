"""Results: tables and the summary of a study, all derived from its log."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from hpo_script.constants import DIRECTION, METRIC, NAME
from hpo_script.experiment.space import searched_params
from hpo_script.machinery.checkpoint import replace_file
from hpo_script.machinery.log_file import say
from hpo_script.machinery.logged_study import LoggedStudy, LoggedTrial


def row_of(trial: LoggedTrial) -> dict[str, Any]:
    """Return a trial as a row, with the columns of Optuna's `trials_dataframe`."""
    params = searched_params(trial.attributes)
    start, end = trial.datetime_start, trial.datetime_complete
    spent = datetime.fromisoformat(end) - datetime.fromisoformat(start) if start and end else ""
    apart = {*params, "learning_curve"}
    others = {name: v for name, v in trial.attributes.items() if name not in apart}
    return {
        "number": trial.number,
        "value": trial.value,
        "datetime_start": start,
        "datetime_complete": end,
        "duration": spent,
        **{f"params_{name}": value for name, value in params.items()},
        **{f"user_attrs_{name}": value for name, value in others.items()},
        "state": trial.state,
    }


def write_results(folder: Path, study: LoggedStudy) -> None:
    """Replace trials.csv, and best_params.json once a trial is complete."""
    rows = [row_of(study.trials[number]) for number in sorted(study.trials)]
    columns = dict.fromkeys(name for row in rows for name in row if name != "state")
    text = io.StringIO()
    table = csv.DictWriter(text, [*columns, "state"], lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    replace_file(folder / "trials.csv", lambda file: file.write(text.getvalue().encode()))
    if best := study.best(DIRECTION):
        found = {**summary(study), "best_params": searched_params(best.attributes)}
        found["best_user_attrs"] = best.attributes
        content = json.dumps(found, indent=1) + "\n"
        replace_file(folder / "best_params.json", lambda file: file.write(content.encode()))


def summary(study: LoggedStudy) -> dict[str, Any]:
    """Return what a program needs to know of a study."""
    best = study.best(DIRECTION)
    run: Mapping[str, Any] = next(reversed(study.runs.values()), {})
    counts = study.counts()
    ended = counts["complete"] + counts["pruned"] + counts["failed"]
    return {
        "name": NAME,
        "study": study.study_id,
        "state": "finished" if ended >= run.get("n_trials", ended + 1) else "unfinished",
        "n_trials": run.get("n_trials"),
        **counts,
        "metric": METRIC,
        "direction": DIRECTION,
        "best_trial": best and best.number,
        "best_value": best and best.value,
        "baselines": run.get("baselines"),
    }


def say_result(study: LoggedStudy) -> None:
    """Say what was found, beside what it has to beat."""
    best = study.best(DIRECTION)
    say(", ".join(f"{count} {state}" for state, count in study.counts().items()))
    if best is None or best.value is None:
        return
    attributes = best.attributes
    axes = ("arch_idx", "d_model", "n_layers", "n_heads", "d_ff", "param_count")
    say(f"best: trial {best.number}, {METRIC} {best.value:.6g}")
    say("  " + ", ".join(f"{axis}={attributes[axis]}" for axis in axes if axis in attributes))
    say("  " + ", ".join(f"{n}={v}" for n, v in searched_params(attributes).items()))
    for name, metrics in summary(study)["baselines"].items():
        for metric, value in metrics.items():
            found, sign = attributes[metric], -1 if metric == "auc" else 1
            words = "better than" if sign * found < sign * value else "NOT better than"
            say(f"  {metric} {found:.4f} is {words} {value:.4f} of the baseline {name}")
    if attributes.get("collapsed"):
        say("  COLLAPSED: it predicts nearly the same number for every sample")
    values = sorted(t.value for t in study.trials.values() if t.state == "COMPLETE" and t.value)
    if len(values) > 1:
        say(f"  median of the complete trials: {values[len(values) // 2]:.6g}")
    say("Each configuration has one seed: part of its lead may be noise of the seed.")
