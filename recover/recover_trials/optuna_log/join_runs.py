"""Which runs are one study: repeats merge, resumed runs join, others stay apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from recover_trials.model import CUT, START_CUT, STARTED_TWICE, TWICE, Study, Trial, agree

AMBIGUOUS = "several experiments could be the one that this run resumes"
BEST_DIFFERS = "best trial {0}: {1} here, {2} in a line that names it"
BEST_BEATEN = "lines call trial {0} the best with {1}, but trial {2} has {3}"
SAME_NAME = "another study here has this name"
CONTRADICTION = "lines contradict each other about what is better; with constraints they may"


def join(runs: Iterable[Study]) -> list[Study]:
    """Return studies, from runs in the order of their files."""
    studies: list[Study] = []
    known: dict[tuple[Any, ...], Study] = {}
    runs = list(runs)
    experiments = {run.experiment for run in runs if run.experiment and not run.resumes}
    for run in runs:
        if run.resumes:
            name_resumed(run, experiments)
        study = find(run, studies, known) if studies else None
        if study is None:
            studies.append(run)
            study = run
        else:
            absorb(study, run)
        if len(runs) > 1:
            known.update((mark, study) for trial in run.rows for mark in marks(trial))
    number_names(studies)
    return studies


def name_resumed(run: Study, experiments: set[str]) -> None:
    """Name the experiment that a script of its own resumes, by the beginning of its name."""
    name = run.experiment or ""
    fitting = {e for e in experiments if e == name or e.startswith(f"{name}_")}
    if len(fitting) == 1:
        run.experiment = fitting.pop()
        run.name = run.experiment if run.name == name else run.name
    elif fitting:
        run.flags.append(AMBIGUOUS)


def marks(trial: Trial) -> Iterator[tuple[Any, ...]]:
    """Yield what two tellings of one trial have in common and two trials have not."""
    if trial.datetime_start:
        yield trial.number, "start", trial.datetime_start
    if trial.datetime_complete:
        yield trial.number, trial.state, trial.values, trial.datetime_complete
    elif trial.values and trial.params:
        yield trial.number, trial.state, trial.values, repr(trial.params)


def find(run: Study, studies: list[Study], known: dict[tuple[Any, ...], Study]) -> Study | None:
    """Return the study that a run is part of; None if it is a new one."""
    for trial in run.rows:
        for mark in marks(trial):
            study = known.get(mark)
            if study and compatible(study, run):
                return study
    if run.resumed and run.told_name:
        named = [study for study in studies if study.told_name == run.told_name]
        return named[-1] if named else None
    if run.experiment:
        same = [s for s in studies if s.experiment == run.experiment and compatible(s, run)]
        if same and goes_on(same[-1], run):
            return same[-1]
    return None


def compatible(study: Study, run: Study) -> bool:
    """Tell whether two runs may be one study by the names that are known of them."""
    unnamed = (study.told_name + run.told_name).count("no-name-")
    names = unnamed or agree(study.told_name or None, run.told_name or None)
    return bool(names and agree(study.experiment, run.experiment))


def goes_on(study: Study, run: Study) -> bool:
    """Tell whether the numbers of a run go on behind those that ended before."""
    ended = [number for number, told in study.trials.items() if told[-1].state != "RUNNING"]
    return min(run.trials) > max(ended, default=-1) and min(run.trials) > 0


def absorb(study: Study, run: Study) -> None:
    """Add the trials of a run to its study."""
    for number, told in run.trials.items():
        if number not in study.trials:
            study.trials[number] = told
            continue
        for trial in told:
            add(study.trials[number], trial)
    for best, value in run.told.items():
        study.told.pop(best, None)
        study.told[best] = value
    study.lower_is_better |= run.lower_is_better
    study.higher_is_better |= run.higher_is_better
    study.flags += [flag for flag in run.flags if flag not in study.flags]
    study.experiment = study.experiment or run.experiment


def add(told: list[Trial], trial: Trial) -> None:
    """Add a telling of a trial: a repeat is dropped, a fuller one takes the other's place."""
    for index, other in enumerate(told):
        if {*marks(other)} & {*marks(trial)}:
            fuller = trial.state != "RUNNING" and other.state == "RUNNING"
            whole = {CUT, START_CUT} & {*other.flags} and not {CUT, START_CUT} & {*trial.flags}
            same = repr(other.params) == repr(trial.params) or trial.state == "RUNNING"
            if fuller or whole:
                told[index] = trial
                return
            if same or {CUT, START_CUT} & {*trial.flags}:
                return
    trial.flags.append(TWICE if trial.state != "RUNNING" else STARTED_TWICE)
    told.append(trial)


def number_names(studies: list[Study]) -> None:
    """Give the later ones of several runs of one name a number."""
    seen: dict[str, int] = defaultdict(int)
    for study in studies:
        seen[study.name] += 1
        if seen[study.name] > 1:
            study.name = f"{study.name} (run {seen[study.name]})"


def mark_names(studies: Iterable[Study]) -> None:
    """Remark the studies of search scripts that another one has the name of."""
    named: dict[str, list[Study]] = defaultdict(list)
    for study in studies:
        if study.about:
            named[study.name].append(study)
    for same in named.values():
        for study in same if len(same) > 1 else ():
            study.remarks.append(SAME_NAME)


def check_best(study: Study) -> None:
    """Compare the best trial that lines name with the trials themselves."""
    if study.lower_is_better and study.higher_is_better:
        study.flags.append(CONTRADICTION)
    for number, value in study.told.items():
        values = [t.value for t in study.trials.get(number, ()) if t.state == "COMPLETE"]
        if values and value not in values:
            study.flags.append(BEST_DIFFERS.format(number, values[0], value))
    told, best = study.told_best, study.best
    if told is None or best is None or study.direction is None or best.value is None:
        return
    sign = -1 if study.direction == "maximize" else 1
    if sign * best.value < sign * told[1] and CUT not in best.flags:
        study.flags.append(BEST_BEATEN.format(*told, best.number, best.value))
