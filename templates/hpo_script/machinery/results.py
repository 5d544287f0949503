"""Results: files that are whole at every moment, written anew after each trial."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import optuna
import pandas as pd
from optuna.trial import FrozenTrial, Trial, TrialState

from hpo_script.experiment import Experiment
from hpo_script.log_writer import sync_folder


def replace_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Replace a file by a new one that is already on the disk, so that neither is ever half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with part.open("w+b") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Replace a file by a text."""
    replace_file(path, lambda file: file.write(text.encode()))


def plain(value: object) -> Any:
    """Return a value as JSON has it: text for times, null for NaN and infinity."""
    return json.loads(json.dumps(value, default=str), parse_constant=lambda _name: None)


def write_json(path: Path, value: object) -> None:
    """Write a value as JSON."""
    write_text(path, json.dumps(plain(value), indent=1) + "\n")


def best_of(study: optuna.Study) -> FrozenTrial | None:
    """Return the best finished trial, or None."""
    finished = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return study.best_trial if finished else None


def architecture_of(trial: Trial | FrozenTrial) -> dict[str, int]:
    """Return the architecture a trial was trained with, from its own record."""
    names = ("arch_idx", "d_model", "n_layers", "n_heads", "d_ff", "param_count")
    known = trial.user_attrs
    return {name: known[name] for name in names if name in known}


def trial_record(trial: FrozenTrial) -> dict[str, Any]:
    """Return everything the study knows of a trial."""
    return {
        "trial_number": trial.number,
        "state": trial.state.name,
        "value": trial.value,
        "params": trial.params,
        "architecture": architecture_of(trial),
        "datetime_start": trial.datetime_start,
        "datetime_complete": trial.datetime_complete,
        "duration_seconds": trial.duration and trial.duration.total_seconds(),
        "user_attrs": trial.user_attrs,
    }


def trials_csv(trials: Sequence[FrozenTrial]) -> str:
    """Return a table with the columns of Optuna's `trials_dataframe`, curves left out."""
    rows = [
        {
            "number": trial.number,
            "value": trial.value,
            "datetime_start": trial.datetime_start,
            "datetime_complete": trial.datetime_complete,
            "duration": trial.duration,
            **{f"params_{name}": value for name, value in trial.params.items()},
            **{f"user_attrs_{name}": value for name, value in trial.user_attrs.items()},
            "state": trial.state.name,
        }
        for trial in trials
    ]
    table = pd.DataFrame(rows, dtype=object)  # whole numbers stay whole beside empty cells
    columns = table.columns.drop(["state", "user_attrs_learning_curve"], errors="ignore")
    return table.to_csv(index=False, columns=[*columns, "state"])


def write_results(folder: Path, study: optuna.Study, experiment: Experiment) -> None:
    """Write the tables of the whole study; the best file only once a trial has finished."""
    trials = [trial for trial in study.trials if trial.state != TrialState.WAITING]
    about = {
        "experiment": experiment.name,
        "study_id": study.user_attrs["study_id"],
        "budget": experiment.budget,
        "horizon": experiment.horizon,
        "task": experiment.task,
        "metric": experiment.metric,
        "direction": experiment.direction,
        "n_trials": len(trials),
    }
    records = [trial_record(trial) for trial in trials]
    write_json(folder / "all_trials.json", {**about, "trials": records})
    if trials:
        write_text(folder / "trials.csv", trials_csv(trials))
    if best := best_of(study):
        states = (state for state in TrialState if state != TrialState.WAITING)
        number = Counter(trial.state for trial in trials)
        found = {
            **about,
            **{f"n_trials_{state.name.lower()}": number[state] for state in states},
            "best_trial": best.number,
            "best_value": best.value,
            "best_params": best.params,
            "architecture": architecture_of(best),
            "best_user_attrs": best.user_attrs,
            "search_space": experiment.search_space,
        }
        write_json(folder / "best_params.json", found)
