"""Studies of other programs: which line belongs to which is told by banners, names and numbers.

A run is what one process tells of one study in one file. The same `Study` holds it; which runs
are one study is decided when all files are read.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from recover_trials.legacy.banners import Banner
from recover_trials.legacy.start_lines import Start
from recover_trials.model import (
    BY_ORDER,
    CUT,
    ONLY_BEST_TOLD,
    START_CUT,
    STARTED_TWICE,
    TWICE,
    UNCERTAIN,
    Study,
    Trial,
)
from recover_trials.optuna_log.matching import (
    agrees,
    became_best,
    closes_failure,
    fits,
    iter_best,
    same_start,
    settle,
    tell,
    told_before,
)
from recover_trials.optuna_log.optuna_lines import Opened, Result
from recover_trials.optuna_log.regular_lines import Row

UNNAMED = "no banner names the experiment of these trials"


class Runs:
    """Takes starts and ends of trials in the order of their lines."""

    def __init__(self) -> None:
        self.studies: list[Study] = []
        self.open_source("")

    def open_source(self, name: str) -> None:
        """Begin a file: nothing that stood in another says whose its lines are."""
        self.source, self.experiment, self.resumes, self.named = name, "", False, False
        self.close()

    def close(self) -> None:
        """End what was open: a banner says that the next lines are of another process."""
        self.open: list[Study] = []
        self.current: Study | None = None
        self.mixed = False

    def banner(self, banner: Banner) -> None:
        """An experiment begins or ends."""
        self.named = True
        self.experiment = banner.experiment if banner.begins else ""
        self.resumes = banner.resumes
        self.close()

    def open_study(self, opened: Opened) -> None:
        """A study is created, or continued, perhaps by another process of this file."""
        known = [study for study in self.open if study.told_name == opened.name]
        if opened.existing and known:
            self.current = known[-1]
        else:
            self.new(opened.name).resumed = opened.existing

    def new(self, name: str = "") -> Study:
        """Open a run."""
        key = f"{self.source}#{len(self.studies) + 1}"
        shown = self.experiment if name.startswith("no-name-") else name
        study = Study(key, shown or name or self.experiment or self.source, self.source)
        study.told_name, study.experiment = name, self.experiment or None
        study.resumes = self.resumes
        if self.named and not self.experiment and not name:
            study.flags.append(UNNAMED)
        self.studies.append(study)
        self.open.append(study)
        self.current = study
        return study

    def go_on(self, rows: list[Row]) -> int:
        """Take finished trials that can be of the current study only; return how many.

        Each is new there, and the best trial that its line names is the study's own. It ends with
        the first one that is not.
        """
        study = self.current
        if study is None or self.mixed:
            return 0
        trials, told = study.trials, study.told
        lower = higher = False
        proven: tuple[int, float] | None = None
        place = best = 0
        best_value = 0.0
        for number, value, time, parameters, named in rows:
            if named is not proven:
                best, best_value = named
                if told.get(best) != best_value:
                    break
                proven = named
            if best == number or number in trials:
                break
            trials[number] = [
                Trial(number, "COMPLETE", (value,), None, time, None, parameters, place)
            ]
            if value > best_value:
                lower = True
            elif value < best_value:
                higher = True
            place += 1
        study.lower_is_better |= lower
        study.higher_is_better |= higher
        return place

    def finish(
        self,
        number: int,
        value: float,
        time: datetime,
        params: dict[str, Any],
        best: tuple[int, float],
    ) -> None:
        """Take a finished trial of whichever study."""
        study = self.current
        if study is None or number in study.trials or len(self.open) > 1:
            known = (number, "COMPLETE", time, (value,), params, None, True)
            self.end(Result(*known, best=best))
            return
        study.trials[number] = [Trial(number, "COMPLETE", (value,), None, time, params)]
        tell(study, number, value, *best)

    def start(self, said: Start) -> Trial | None:
        """A trial started; return it, unless it is told again."""
        for study in self.open:
            if any(same_start(trial, said) for trial in study.trials.get(said.number, ())):
                return None
        study = self.current or self.new()
        told = study.trials.get(said.number)
        if told and said.number == 0:
            study, told = self.new(), None
        trial = Trial(said.number, params=said.params or {}, user_attrs=dict(said.user_attrs))
        trial.datetime_start = said.time
        trial.flags += [STARTED_TWICE] * bool(told) + [START_CUT] * (not said.whole)
        study.trials.setdefault(said.number, []).append(trial)
        return trial

    def stopped_early(self, epoch: int) -> None:
        """The trial that started last stopped at an epoch."""
        if self.current and self.current.trials:
            trial = next(reversed(self.current.trials.values()))[-1]
            trial.user_attrs |= {"stopped_early": True, "stopped_epoch": epoch}

    def end(self, said: Result) -> None:
        """A trial ended; what was told before is no other trial."""
        if said.number is None:
            numbered = len(self.current.trials) if self.current else 0
            said = said._replace(number=numbered)
            flags = [BY_ORDER]
        else:
            flags = []
        number = said.number or 0
        if self.current and told_before(self.current, said, number):
            return
        if any(closes_failure(study, said, number) for study in self.open):
            return
        study = self.study_for(said, number)
        if not fits(study, said, number) and any(
            told_before(other, said, number) for other in self.open
        ):
            return
        if self.mixed and self.uncertain(said, number):
            flags = [*flags, UNCERTAIN]
        told = study.trials.setdefault(number, [])
        if not told or told[-1].state != "RUNNING":
            told.append(Trial(number, flags=[TWICE] if told else []))
        trial = told[-1]
        trial.flags += flags
        self.fill(study, trial, said)

    def fill(self, study: Study, trial: Trial, said: Result) -> None:
        """Write what an end says into its trial."""
        value = said.values[0] if len(said.values) == 1 else None
        params = said.params
        if said.shows_best and not became_best(study, trial.number, value, said.best):
            params = None
            trial.flags.append(ONLY_BEST_TOLD)
        trial.state, trial.values, trial.datetime_complete = said.state, said.values, said.time
        settle(trial, params or {})
        if said.error:
            trial.user_attrs["error"] = said.error
        if not said.params_whole:
            trial.flags.append(CUT)
        if said.best and value is not None:
            best, best_value = said.best
            if best is None:
                best = trial.number if value == best_value else next(iter_best(study), -1)
            if best >= 0:
                tell(study, trial.number, value, best, best_value)

    def uncertain(self, said: Result, number: int) -> bool:
        """Tell whether an end fits several studies, and not exactly one has the best it names."""
        proved = sum(agrees(study, said, number) is True for study in self.open)
        return proved != 1 and sum(fits(study, said, number) for study in self.open) > 1

    def doubt(self, study: Study, other: Study, said: Result, number: int) -> None:
        """Flag the trial that keeps an end out of a study, if the two could change places."""
        told = study.trials.get(number)
        best = said.best[0] if said.best else None
        if told and best is not None and study.told.get(best) == other.told.get(best):
            told[-1].flags.append(UNCERTAIN)

    def study_for(self, said: Result, number: int) -> Study:
        """Return the study that an end belongs to.

        With several processes in one file the best trial that a line names decides: it must be
        one that the study has.
        """
        current = self.current
        if current is None:
            return self.new()
        others = [study for study in reversed(self.open) if study is not current]
        if others and agrees(current, said, number) is not True:
            other = next((s for s in others if agrees(s, said, number)), None)
            if other:
                self.mixed, self.current = True, other
                self.doubt(current, other, said, number)
                return other
        if fits(current, said, number):
            return current
        if number == 0 and not any(told_before(study, said, number) for study in others):
            return next((study for study in others if not study.trials), None) or self.new()
        return next((s for s in others if fits(s, said, number)), current)
