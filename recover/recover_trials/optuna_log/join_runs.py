"""Join of runs to studies: copies and resumed runs are merged, other runs remain apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from recover_trials.model import (
    CONFLICTING,
    CUT,
    ENDED_TWICE,
    START_CUT,
    STARTED_TWICE,
    Study,
    Trial,
    compatible,
)

AMBIGUOUS = "this run resumes one of several experiments, and its lines do not show which"


def join_runs(runs: Iterable[Study]) -> list[Study]:
    """Return the studies of runs, which are in the order of their files."""
    studies: list[Study] = []
    by_trial: dict[tuple[Any, ...], Study] = {}
    runs = list(runs)
    experiments = {run.experiment for run in runs if run.experiment and not run.resumes_experiment}
    for run in runs:
        if run.resumes_experiment:
            name_resumed(run, experiments)
        keys = [key for trial in run.rows for key in identities(trial)] if len(runs) > 1 else []
        study = study_of(run, keys, studies, by_trial) if studies else None
        if study is None:
            studies.append(run)
            study = run
        else:
            merge_run(study, run)
        by_trial.update(dict.fromkeys(keys, study))
    return studies


def name_resumed(run: Study, experiments: set[str]) -> None:
    """Set the name of a resumed experiment, of which a resuming script has the first part."""
    name = run.experiment or ""
    candidates = {e for e in experiments if e == name or e.startswith(f"{name}_")}
    if len(candidates) == 1:
        run.experiment = candidates.pop()
        run.name = run.experiment if run.name == name else run.name
    elif candidates:
        run.flags.append(AMBIGUOUS)


def identities(trial: Trial) -> Iterator[tuple[Any, ...]]:
    """Yield keys; two rows with a common key are one trial."""
    if trial.datetime_start:
        yield trial.number, "start", trial.datetime_start
    if trial.datetime_complete:
        yield trial.number, trial.state, trial.values, trial.datetime_complete
    elif trial.values and trial.params:
        yield trial.number, trial.state, trial.values, repr(trial.params)


def study_of(
    run: Study,
    keys: list[tuple[Any, ...]],
    studies: list[Study],
    by_trial: dict[tuple[Any, ...], Study],
) -> Study | None:
    """Return the study that a run with these trials is part of; None if it starts a new study."""
    for key in filter(by_trial.__contains__, keys):
        if same_names(by_trial[key], run):
            return by_trial[key]
    if run.resumed and run.optuna_name:
        namesakes = [study for study in studies if study.optuna_name == run.optuna_name]
        return namesakes[-1] if namesakes else None
    if run.experiment:
        same = [s for s in studies if s.experiment == run.experiment and same_names(s, run)]
        if same and resumes_numbers(same[-1], run):
            return same[-1]
    return None


def same_names(study: Study, run: Study) -> bool:
    """Return whether the names of two runs do not differ; generated names match any name."""
    unnamed = (study.optuna_name + run.optuna_name).count("no-name-")
    names = unnamed or compatible(study.optuna_name or None, run.optuna_name or None)
    return bool(names and compatible(study.experiment, run.experiment))


def resumes_numbers(study: Study, run: Study) -> bool:
    """Return whether the numbers of a run are above those of the ended trials of a study."""
    ended = [number for number, rows in study.trials.items() if rows[-1].state != "RUNNING"]
    return min(run.trials) > max(ended, default=-1) and min(run.trials) > 0


def merge_run(study: Study, run: Study) -> None:
    for number, rows in run.trials.items():
        if number not in study.trials:
            study.trials[number] = rows
            continue
        for trial in rows:
            add_run_row(study.trials[number], trial)
    for best, value in run.named_bests.items():
        study.named_bests.pop(best, None)
        study.named_bests[best] = value
    study.lower_is_better |= run.lower_is_better
    study.higher_is_better |= run.higher_is_better
    study.flags += [flag for flag in run.flags if flag not in study.flags]
    study.experiment = study.experiment or run.experiment


def add_run_row(rows: list[Trial], trial: Trial) -> None:
    """Add a row of a trial: a duplicate is left out, a more complete row replaces the other."""
    for index, other in enumerate(rows):
        if {*identities(other)} & {*identities(trial)}:
            has_end = trial.state != "RUNNING" and other.state == "RUNNING"
            is_whole = {CUT, START_CUT} & {*other.flags} and not {CUT, START_CUT} & {*trial.flags}
            same = repr(other.params) == repr(trial.params) or trial.state == "RUNNING"
            if has_end or is_whole:
                rows[index] = trial
                return
            if same or {CUT, START_CUT} & {*trial.flags}:
                other.flags += {ENDED_TWICE} & {*trial.flags} - {*other.flags}
                return
    trial.flags.append(CONFLICTING if trial.state != "RUNNING" else STARTED_TWICE)
    rows.append(trial)


def number_names(studies: list[Study]) -> None:
    """Append `(run 2)`, `(run 3)` to the names of later studies with the same name.

    Studies of hpogen scripts keep their names, for each has an id.
    """
    seen: dict[str, int] = defaultdict(int)
    for study in studies:
        if "study" in study.about:
            continue
        seen[study.name] += 1
        if seen[study.name] > 1:
            study.name = f"{study.name} (run {seen[study.name]})"
