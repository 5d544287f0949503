"""Runs of Optuna studies, to which lines are assigned by banners, names and numbers.

A run is the part of a study that one process logs in one file. A `Study` holds it until all files
are read; then `join_runs` decides which runs are one study.
"""

from __future__ import annotations

from recover_trials.legacy.banners import Banner
from recover_trials.legacy.start_lines import Start
from recover_trials.model import (
    CONFLICTING,
    CUT,
    ENDED_TWICE,
    ERROR_CUT,
    NOT_LITERALS,
    NUMBERED_BY_ORDER,
    ONLY_BEST_SHOWN,
    START_CUT,
    STARTED_TWICE,
    UNCERTAIN,
    Study,
    Trial,
)
from recover_trials.optuna_log.best_and_direction import (
    add_named_best,
    became_best,
    last_best,
    may_belong,
    names_best_of,
)
from recover_trials.optuna_log.duplicate_lines import (
    closes_failure,
    has_duplicate,
    is_duplicate_start,
    is_second_line,
    set_exact_params,
)
from recover_trials.optuna_log.optuna_lines import Opened, Result

NAME_UNCERTAIN = "may have the name of another study of this file: their lines are mixed"
UNNAMED = "no banner names the experiment of these trials"


class OptunaRuns:
    """Adds starts and ends of trials, in the order of their lines, to runs."""

    def __init__(self) -> None:
        self.studies: list[Study] = []
        self.open_source("")

    def open_source(self, name: str) -> None:
        """Begin a file: its lines belong to no run of another file."""
        self.source, self.experiment = name, ""
        self.resumes_experiment = self.has_banners = False
        self.close()

    def close(self) -> None:
        """Close all runs: the next lines belong to another process."""
        self.open: list[Study] = []
        self.current: Study | None = None
        self.mixed = False  # lines of several runs alternate
        # Trials since the last run began whose end lines do not prove their run.
        self.unproven: dict[int, Trial] = {}

    def add_banner(self, banner: Banner) -> None:
        """Begin or end an experiment."""
        self.has_banners = True
        self.experiment = banner.experiment if banner.begins else ""
        self.resumes_experiment = banner.resumes
        self.close()

    def open_study(self, opened: Opened) -> None:
        """Create or resume a study; runs of other processes remain open."""
        same_name = [study for study in self.open if study.optuna_name == opened.name]
        if opened.existing and same_name:
            self.current = same_name[-1]
        else:
            self.open_run(opened.name).resumed = opened.existing

    def open_run(self, name: str = "") -> Study:
        """Open a run and make it the current one."""
        key = f"{self.source}#{len(self.studies) + 1}"
        shown = self.experiment if name.startswith("no-name-") else name
        study = Study(key, shown or name or self.experiment or self.source, self.source)
        study.optuna_name, study.experiment = name, self.experiment or None
        study.resumes_experiment = self.resumes_experiment
        if self.has_banners and not self.experiment and not name:
            study.flags.append(UNNAMED)
        self.studies.append(study)
        self.open.append(study)
        self.unproven = {}
        self.current = study
        return study

    def add_regular(self, contents: list[Result | Start]) -> None:
        """Add starts and ends; most can only belong to the current run, and are no duplicates."""
        for content in contents:
            number, study = content.number, self.current
            if not number or study is None or self.mixed or len(self.open) > 1:
                self.add(content)
                continue
            rows = study.trials.get(number)
            if isinstance(content, Start) and rows is None:
                study.trials[number] = [started(content)]
            elif isinstance(content, Result) and (rows is None or is_started(rows)):
                self.add_end(study, content, number, [])
            else:
                self.add(content)

    def add(self, content: Result | Start) -> None:
        """Add a start or an end."""
        if isinstance(content, Start):
            self.start(content)
        else:
            self.end(content)

    def start(self, start: Start) -> Trial | None:
        """Start a trial and return it; None for a duplicate."""
        study = self.current or self.open_run()
        for other in [study, *self.others_than(study)] if study.trials else ():
            rows = other.trials.get(start.number, ())
            if any(is_duplicate_start(trial, start) for trial in rows):
                return None
        conflict = bool(study.trials.get(start.number))
        if conflict and start.number == 0:
            study, conflict = self.open_run(), False
        trial = started(start)
        trial.flags += [STARTED_TWICE] * conflict + [START_CUT] * (not start.whole)
        study.trials.setdefault(start.number, []).append(trial)
        return trial

    def others_than(self, study: Study) -> list[Study]:
        """Return the open runs of other studies; a run of the same name is joined later."""
        name = study.optuna_name
        others = (other for other in reversed(self.open) if other is not study)
        return [other for other in others if not name or other.optuna_name != name]

    def stop_early(self, epoch: int) -> None:
        """Mark the trial that started last as stopped early."""
        if self.current and self.current.trials:
            trial = next(reversed(self.current.trials.values()))[-1]
            trial.user_attrs |= {"stopped_early": True, "stopped_epoch": epoch}

    def end(self, result: Result) -> None:
        """End a trial, unless the line is a duplicate."""
        if result.is_told:
            self.end_told(result, result.number or 0)
            return
        flags = []
        if result.number is None:
            result = result._replace(number=len(self.current.trials) if self.current else 0)
            flags = [NUMBERED_BY_ORDER]
        number = result.number or 0
        if self.current and not flags and self.is_certain(self.current, result, number):
            self.add_end(self.current, result, number, flags)
            return
        if not self.is_repeated(result, number):
            self.end_in_any(result, number, flags)

    def is_repeated(self, result: Result, number: int) -> bool:
        """Return whether a line repeats a line of the current run, or is a second one."""
        if self.current and has_duplicate(self.current, result, number):
            return True
        return is_second_line(result) and any(
            closes_failure(study, result, number) for study in self.open
        )

    def end_in_any(self, result: Result, number: int, flags: list[str]) -> None:
        """End a trial of any open run, unless the line is a duplicate."""
        study = self.run_of(result, number)
        is_exact = bool(result.time and result.values and result.params)
        is_unnamed = not study.optuna_name  # the copy of a named study has a study line, too
        if (is_exact and is_unnamed) or not may_belong(study, result, number):
            copied = next((s for s in self.open if has_duplicate(s, result, number)), None)
            if copied:
                self.current = copied if is_unnamed else self.current
                return
        if self.mixed and self.is_uncertain(result, number):
            flags = [*flags, UNCERTAIN]
        self.add_end(study, result, number, flags)
        if len(self.open) > 1 and not self.mixed:
            trial = study.trials[number][-1]
            self.unproven[id(trial)] = trial

    def end_told(self, result: Result, number: int) -> None:
        """End a trial by a line of the command line, which begins no study.

        `optuna tell --skip-if-finished` logs such a line also for a trial that has ended; the
        trial keeps its values.
        """
        current = self.current or self.open_run()
        studies = [current, *self.others_than(current)]
        running = [study for study in studies if is_started(study.trials.get(number, []))]
        for study in running if len(running) > 1 else ():
            study.trials[number][-1].flags.append(UNCERTAIN)
        if running or not current.trials.get(number):
            self.add_end(running[0] if running else current, result, number, [])
            return
        trial = current.trials[number][-1]
        differs = (trial.state, trial.values) != (result.state, result.values)
        trial.flags += [ENDED_TWICE] * (differs and ENDED_TWICE not in trial.flags)

    def is_certain(self, study: Study, result: Result, number: int) -> bool:
        """Return whether an end line can only belong to the current run, and is no duplicate.

        Then no search is necessary, which takes most of the time in a long log.
        """
        rows = study.trials.get(number, ())
        if self.mixed or result.state == "FAIL" or any(row.state != "RUNNING" for row in rows):
            return False
        if len(self.open) == 1 and number != 0:
            return True
        best, value = result.best or (None, 0.0)
        return best is not None and best != number and study.named_bests.get(best) == value

    def add_end(self, study: Study, result: Result, number: int, flags: list[str]) -> None:
        """Add the end of a trial to a run, also if its start is unknown."""
        rows = study.trials.setdefault(number, [])
        if not rows or rows[-1].state != "RUNNING":
            rows.append(Trial(number, flags=[CONFLICTING] if rows else []))
        trial = rows[-1]
        trial.flags += flags
        self.set_end(study, trial, result)

    def set_end(self, study: Study, trial: Trial, result: Result) -> None:
        """Set state, values and parameters of a trial from its end line."""
        value = result.values[0] if len(result.values) == 1 else None
        params = result.params
        if result.shows_best and not became_best(study, trial.number, value, result.best):
            params, result = None, result._replace(others=None)
            trial.flags.append(ONLY_BEST_SHOWN)
        trial.state, trial.values, trial.datetime_complete = (
            result.state,
            result.values,
            result.time,
        )
        set_exact_params(trial, params or {})
        add_remarks(trial, result)
        if result.best and value is not None:
            best, best_value = result.best
            if best is None:
                best = trial.number if value == best_value else last_best(study)
            if best is not None:
                add_named_best(study, trial.number, value, best, best_value)

    def is_uncertain(self, result: Result, number: int) -> bool:
        """Return whether an end line may belong to several runs despite its best trial."""
        proved = sum(names_best_of(study, result, number) is True for study in self.open)
        possible = sum(
            may_belong(study, result, number)
            or any(UNCERTAIN in row.flags for row in study.trials.get(number, ()))
            for study in self.open
        )
        return proved != 1 and possible > 1

    def mix(self, study: Study, other: Study) -> None:
        """Note that lines of two runs alternate, and flag the trials that may be of either run."""
        if self.mixed:
            return
        self.mixed = True
        names = {study.optuna_name, other.optuna_name}
        rows = [row for s in (study, other) for trial in s.trials.values() for row in trial]
        if len(names) == 2 and all(id(row) in self.unproven for row in rows):
            for run in (study, other):
                run.flags.append(NAME_UNCERTAIN)
        for trial in self.unproven.values():
            rows = study.trials.get(trial.number, []) + other.trials.get(trial.number, [])
            if all(id(row) in self.unproven for row in rows):
                trial.flags.append(UNCERTAIN)

    def flag_exchange(self, study: Study, other: Study, result: Result, number: int) -> None:
        """Flag the trial that may own the end line, if both runs have the same best trial."""
        rows = study.trials.get(number)
        best = result.best[0] if result.best else None
        if (
            rows
            and best is not None
            and study.named_bests.get(best) == other.named_bests.get(best)
        ):
            rows[-1].flags.append(UNCERTAIN)

    def run_of(self, result: Result, number: int) -> Study:
        """Return the run that an end line belongs to.

        If several processes write into one file, the run must have the best trial that the line
        names.
        """
        current = self.current
        if current is None:
            return self.open_run()
        if result.best is None and may_belong(current, result, number):
            return current
        others = [study for study in reversed(self.open) if study is not current]
        if others and names_best_of(current, result, number) is not True:
            other = next((s for s in others if names_best_of(s, result, number)), None)
            if other:
                self.mix(current, other)
                self.current = other
                self.flag_exchange(current, other, result, number)
                return other
        if may_belong(current, result, number):
            return current
        is_new = number == 0 and not any(has_duplicate(s, result, number) for s in others)
        fits = (s for s in others if (not s.trials if is_new else may_belong(s, result, number)))
        if other := next(fits, None):
            self.mix(current, other)
            return other
        return self.open_run() if is_new else current


def started(start: Start) -> Trial:
    """Return the trial that a line starts."""
    time, params, attrs = start.time, start.params or {}, dict(start.user_attrs)
    return Trial(start.number, "RUNNING", (), time, None, params, attrs)


def is_started(rows: list[Trial]) -> bool:
    """Return whether a number has one trial, which has not ended."""
    return len(rows) == 1 and rows[0].state == "RUNNING"


def add_remarks(trial: Trial, result: Result) -> None:
    """Add the error of an end line, and the flags of its parts that cannot be read."""
    if result.params_whole and result.error_whole and not (result.others or result.error):
        return
    if result.others:
        trial.user_attrs["unreadable_params"] = result.others
        trial.flags.append(NOT_LITERALS + ", ".join(result.others))
    if result.error:
        trial.user_attrs["error"] = result.error
    trial.flags += [ERROR_CUT] * (not result.error_whole) + [CUT] * (not result.params_whole)
