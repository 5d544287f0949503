"""Results: tables and the summary of a study, all derived from its log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from hpo_script.constants import DIRECTION, METRIC, N_TRIALS, NAME
from hpo_script.experiment.space import searched_params
from hpo_script.machinery.checkpoint import replace_file
from hpo_script.machinery.log_file import say
from hpo_script.machinery.logged_study import LoggedStudy, LoggedTrial

SEED_NOISE = """\
seed noise: SD {sd:.3g}; within it of the best: {within_sd} others
  {reruns} reruns of trial {rerun_of}: mean {mean:.6g}
  lead over the median trial: {lead:.3g}, {word} than noise (2 SD)"""


def row_of(trial: LoggedTrial) -> dict[str, Any]:
    """Return a trial as a row, with the columns of Optuna's `trials_dataframe`."""
    params = searched_params(trial.attributes)
    start, end = trial.datetime_start, trial.datetime_complete
    return {
        "number": trial.number,
        "value": trial.value,
        "datetime_start": start,
        "datetime_complete": end,
        "duration": start and end and datetime.fromisoformat(end) - datetime.fromisoformat(start),
        **{f"params_{name}": value for name, value in params.items()},
        **{f"user_attrs_{n}": v for n, v in trial.attributes.items() if n not in params},
        "state": trial.state,
    }


def write_results(folder: Path, study: LoggedStudy) -> None:
    """Replace trials.csv, and best_params.json once a trial is complete."""
    rows = pd.DataFrame([row_of(study.trials[n]) for n in sorted(study.trials)], dtype=object)
    replace_file(folder / "trials.csv", lambda file: file.write(rows.to_csv(index=False).encode()))
    if best := study.best(DIRECTION):
        found = {**summary(study), "best_params": searched_params(best.attributes)}
        found["best_user_attrs"] = {**best.attributes, "learning_curve": best.curve}
        content = json.dumps(found, indent=1) + "\n"
        replace_file(folder / "best_params.json", lambda file: file.write(content.encode()))


def summary(study: LoggedStudy) -> dict[str, Any]:
    """Return the state of a study, for programs."""
    best, counts = study.best(DIRECTION), study.counts()
    run: Mapping[str, Any] = next(reversed(study.runs.values()), {})
    n_trials = run.get("n_trials", N_TRIALS)
    ended = sum(counts.values()) - counts["running"]
    return {
        "name": NAME,
        "study": study.study_id,
        "state": "finished" if ended >= n_trials else "unfinished",
        "n_trials": n_trials,
        **counts,
        "metric": METRIC,
        "direction": DIRECTION,
        "best_trial": best and best.number,
        "best_value": best and best.value,
        "seed_noise": study.seed_noise(DIRECTION),
        "baselines": run.get("baselines", {}),
    }


def say_result(study: LoggedStudy) -> None:
    """Say which trial is the best, and how it compares with the baselines."""
    say(", ".join(f"{count} {state}" for state, count in study.counts().items()))
    if not (best := study.best(DIRECTION)):
        return
    found, axes = best.attributes, ("arch_idx", "d_model", "n_layers", "n_heads", "d_ff")
    say(f"best: trial {best.number}, {METRIC} {best.value:.6g}")
    for values in ({axis: found[axis] for axis in axes}, searched_params(found)):
        say("  " + ", ".join(f"{name}={value}" for name, value in values.items()))
    say_baselines(found, study)
    if found.get("collapsed"):
        say("  COLLAPSED: it predicts one class, or nearly the same number, for every sample")
    if noise := study.seed_noise(DIRECTION):
        say_baselines({METRIC: noise["mean"]}, study, " in reruns")
        noise["word"] = "more" if noise["lead"] > 2 * noise["sd"] else "NOT more"
        say(SEED_NOISE.format_map(noise))
    elif f"{METRIC}_sd" not in found:
        say(f"Trial {best.number} has one seed: part of its lead may be the noise of its seed.")


def say_baselines(reached: Mapping[str, Any], study: LoggedStudy, where: str = "") -> None:
    """Say whether the metrics that are reached are better than those of the baselines."""
    for name, metrics in summary(study)["baselines"].items():
        for metric in (metric for metric in metrics if metric in reached):
            found, value = reached[metric], metrics[metric]
            lower = metric.endswith(("loss", "per_byte", "brier"))
            sign = 1 if (DIRECTION == "minimize" if metric == METRIC else lower) else -1
            words = "better than" if sign * found < sign * value else "NOT better than"
            say(f"  {metric} {found:.6g}{where} is {words} the {name} with {value:.6g}")
